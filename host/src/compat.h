/*
 * The differences between PostgreSQL 14 to 18, and between Python 3.10 to 3.14.
 */
#ifndef MULTICORN_COMPAT_H
#define MULTICORN_COMPAT_H

#if PG_VERSION_NUM < 140000 || PY_VERSION_HEX < 0x030A0000
#error "multicorn needs PostgreSQL 14 or later and Python 3.10 or later"
#endif

/* 18 moved parts of it to headers of their own. */
#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* 17 added fdw_restrictinfo, 18 disabled_nodes, to the foreign path constructors. */
#if PG_VERSION_NUM >= 180000
#define PATH_ROWS(rows) (rows), 0
#else
#define PATH_ROWS(rows) (rows)
#endif
#if PG_VERSION_NUM >= 170000
#define PATH_PRIVATE(list) NIL, (list)
#else
#define PATH_PRIVATE(list) (list)
#endif

/*
 * The user whose rights on a table are checked, such as the owner of the view that names it;
 * invalid for the current one. 16 moved it from the range table's entries to a list of their own.
 */
#if PG_VERSION_NUM >= 160000
#include "parser/parse_relation.h"
#define SCAN_CHECK_AS_USER(plan, estate) ((plan)->checkAsUser)
#define TARGET_CHECK_AS_USER(query) \
	(getRTEPermissionInfo((query)->rteperminfos, \
						  rt_fetch((query)->resultRelation, (query)->rtable))->checkAsUser)
#define RESULT_CHECK_AS_USER(rel, estate) ExecGetResultRelCheckAsUser((rel), (estate))
#else
#define SCAN_CHECK_AS_USER(plan, estate) \
	(exec_rt_fetch((plan)->scan.scanrelid, (estate))->checkAsUser)
#define TARGET_CHECK_AS_USER(query) \
	(rt_fetch((query)->resultRelation, (query)->rtable)->checkAsUser)
/* A partition that only gets rows routed to it has no entry of its own. */
#define RESULT_CHECK_AS_USER(rel, estate) \
	(exec_rt_fetch((rel)->ri_RangeTableIndex != 0 ? (rel)->ri_RangeTableIndex : \
				   (rel)->ri_RootResultRelInfo->ri_RangeTableIndex, (estate))->checkAsUser)
#endif

/* 18 took away a parameter of ExecutorRun(), and of its hook. */
#if PG_VERSION_NUM >= 180000
#define EXECUTE_ONCE(parameter)
#else
#define EXECUTE_ONCE(parameter) , parameter
#endif

/* 18 tells the direction of a sort by comparison type instead of btree strategy. */
#if PG_VERSION_NUM >= 180000
#define PATHKEY_IS_DESCENDING(key) ((key)->pk_cmptype == COMPARE_GT)
#else
#define PATHKEY_IS_DESCENDING(key) ((key)->pk_strategy == BTGreaterStrategyNumber)
#endif

/* 16 added a function that fails if there is less to read from a temporary file. */
#if PG_VERSION_NUM >= 160000
#define READ_EXACTLY(file, buffer, size) BufFileReadExact((file), (buffer), (size))
#else
#define READ_EXACTLY(file, buffer, size) \
	do { \
		if (BufFileRead((file), (buffer), (size)) != (size)) \
			elog(ERROR, "could not read a row from a temporary file"); \
	} while (0)
#endif

#if PY_VERSION_HEX < 0x030C0000
/* 3.12 keeps the raised exception as one object, already normalized. */
static inline PyObject *
PyErr_GetRaisedException(void)
{
	PyObject   *type;
	PyObject   *value;
	PyObject   *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	if (type == NULL)
		return NULL;
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback != NULL)
		PyException_SetTraceback(value, traceback);
	Py_XDECREF(traceback);
	Py_DECREF(type);
	return value;
}
#endif

#endif
