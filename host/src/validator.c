/*
 * Checking options at CREATE and ALTER; what is refused is decided by multicorn/_host.py.
 */
#include "multicorn.h"

#include "access/genam.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "utils/lsyscache.h"

PGDLLEXPORT Datum multicorn_validator(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(multicorn_validator);

/*
 * The options of the servers of every foreign data wrapper that has this validator.
 *
 * PostgreSQL tells a validator the options of a table or a user mapping, but not their server.
 */
static PyObject *
possible_servers(Oid validator)
{
	Relation	relation = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	PyObject   *result = py_own(PyList_New(0));

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		ForeignServer *server = GetForeignServer(((Form_pg_foreign_server) GETSTRUCT(tuple))->oid);

		if (GetForeignDataWrapper(server->fdwid)->fdwvalidator == validator)
			py_append(result, options_to_python(server->options));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return result;
}

Datum
multicorn_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	/* A foreign data wrapper belongs to no class, and its options reach none. */
	if (catalog == ForeignDataWrapperRelationId)
		PG_RETURN_VOID();
	PY_BEGIN();
	{
		py_call(py_host, "validate", "(sOO)", get_rel_name(catalog), options_to_python(options),
				possible_servers(fcinfo->flinfo->fn_oid));
	}
	PY_END();
	PG_RETURN_VOID();
}
