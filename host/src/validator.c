/*
 * Checking options at CREATE and ALTER.
 */
#include "multicorn.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "utils/fmgroids.h"

PGDLLEXPORT Datum multicorn_validator(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(multicorn_validator);

static const char *
object_level(Oid catalog)
{
	switch (catalog)
	{
		case ForeignServerRelationId:
			return "server";
		case ForeignTableRelationId:
			return "table";
		case UserMappingRelationId:
			return "user_mapping";
		case AttributeRelationId:
			return "column";
		default:
			return "object";
	}
}

/*
 * Take the option "wrapper" out of a list. NULL if it is not there.
 */
static char *
take_wrapper(List **options)
{
	char	   *wrapper = NULL;
	ListCell   *lc;

	foreach(lc, *options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "wrapper") == 0)
		{
			wrapper = defGetString(option);
			*options = foreach_delete_current(*options, lc);
		}
	}
	return wrapper;
}

/*
 * The wrappers of the servers of every foreign data wrapper that has this validator, each once.
 *
 * PostgreSQL tells a validator the options of a table or a user mapping, but not their server.
 */
static List *
possible_wrappers(Oid validator)
{
	Relation	relation = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	List	   *result = NIL;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_foreign_server form = (Form_pg_foreign_server) GETSTRUCT(tuple);

		if (GetForeignDataWrapper(form->srvfdw)->fdwvalidator == validator)
		{
			ForeignServer *server = GetForeignServer(form->oid);
			char	   *wrapper = take_wrapper(&server->options);

			if (wrapper != NULL && !list_member(result, makeString(wrapper)))
				result = lappend(result, makeString(wrapper));
		}
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return result;
}

/*
 * Let a class, if it has validate_options(), look at the options. False with a Python exception
 * set if it refuses them.
 */
static bool
takes_options(PyObject *class, List *options, const char *level)
{
	PyObject   *hook = PyObject_GetAttrString(class, "validate_options");
	PyObject   *done;

	if (hook == NULL)
	{
		if (!PyErr_ExceptionMatches(PyExc_AttributeError))
			return false;
		PyErr_Clear();
		return true;
	}
	py_own(hook);
	done = PyObject_CallFunction(hook, "Os", options_to_python(options), level);
	if (done != NULL)
		py_own(done);
	return done != NULL;
}

static void
validate_server(List *options, const char *wrapper)
{
	PY_BEGIN();
	{
		PyObject   *class = PyObject_CallOneArg(py.get_class, server_string_to_python(wrapper));

		if (!takes_options(py_own(class), options, "server"))
			py_throw();
	}
	PY_END();
}

/*
 * The options of a table, column or user mapping are refused if none of the wrappers that may be
 * theirs takes them, in the words of the last one. A class that cannot be imported for the moment
 * refuses nothing: its first use will tell.
 */
static void
validate_for_any(List *options, const char *level, List *wrappers)
{
	PY_BEGIN();
	{
		bool		taken = wrappers == NIL;
		ListCell   *lc;

		foreach(lc, wrappers)
		{
			PyObject   *class = PyObject_CallOneArg(py.get_class,
													server_string_to_python(strVal(lfirst(lc))));

			PyErr_Clear();
			taken = class == NULL || takes_options(py_own(class), options, level);
			if (taken)
				break;
			if (lnext(wrappers, lc) != NULL)
				PyErr_Clear();
		}
		if (!taken)
			py_throw();
	}
	PY_END();
}

Datum
multicorn_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	const char *level = object_level(catalog);
	char	   *wrapper = take_wrapper(&options);

	if (catalog == ForeignServerRelationId)
	{
		if (wrapper == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
					 errmsg("The wrapper parameter is mandatory, specify a valid class name")));
		validate_server(options, wrapper);
	}
	else if (catalog == ForeignDataWrapperRelationId)
	{
		/* It belongs to no class, and its options reach none. */
	}
	else
	{
		/* Whoever may set it chooses what code the server runs. */
		if (wrapper != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("Cannot set the wrapper class on the %s",
							catalog == UserMappingRelationId ? "user mapping" : level),
					 errhint("Set it on the server")));
		validate_for_any(options, level, possible_wrappers(fcinfo->flinfo->fn_oid));
	}
	PG_RETURN_VOID();
}
