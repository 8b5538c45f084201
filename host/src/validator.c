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
		case ForeignDataWrapperRelationId:
			return "foreign_data_wrapper";
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
 * The wrapper of the servers of every foreign data wrapper that has this validator, if they all
 * have the same one; otherwise NULL.
 *
 * PostgreSQL tells a validator the options of a table or a user mapping, but not their server.
 */
static char *
only_wrapper(Oid validator)
{
	Relation	relation = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	char	   *result = NULL;
	bool		same = true;

	while (same && (tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_foreign_server form = (Form_pg_foreign_server) GETSTRUCT(tuple);
		ForeignServer *server;
		char	   *wrapper;

		if (GetForeignDataWrapper(form->srvfdw)->fdwvalidator != validator)
			continue;
		server = GetForeignServer(form->oid);
		wrapper = take_wrapper(&server->options);
		same = wrapper != NULL && (result == NULL || strcmp(result, wrapper) == 0);
		result = wrapper;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return same ? result : NULL;
}

/*
 * Let the class, if it has validate_options(), look at the options.
 */
static void
call_validate_options(PyObject *class, List *options, const char *level)
{
	PyObject   *hook = PyObject_GetAttrString(class, "validate_options");

	if (hook == NULL)
	{
		if (!PyErr_ExceptionMatches(PyExc_AttributeError))
			py_throw();
		PyErr_Clear();
		return;
	}
	py_own(hook);
	py_own(PyObject_CallFunction(hook, "Os", options_to_python(options), level));
}

/*
 * A server's class must be there. That of another object may be missing for the moment, which
 * its first use will tell; its options are then not checked.
 */
static void
validate(List *options, const char *level, const char *wrapper, bool required)
{
	PY_BEGIN();
	{
		PyObject   *class = PyObject_CallOneArg(py.get_class, server_string_to_python(wrapper));

		if (class != NULL || required)
			call_validate_options(py_own(class), options, level);
		else
			PyErr_Clear();
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
		validate(options, level, wrapper, true);
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
		wrapper = only_wrapper(fcinfo->flinfo->fn_oid);
		if (wrapper != NULL)
			validate(options, level, wrapper, false);
	}
	PG_RETURN_VOID();
}
