/*
 * IMPORT FOREIGN SCHEMA.
 */
#include "multicorn.h"

#include "miscadmin.h"
#include "nodes/parsenodes.h"

/* What the list of tables is for; NULL without one. */
static const char *
restriction_of(ImportForeignSchemaType type)
{
	return type == FDW_IMPORT_SCHEMA_LIMIT_TO ? "limit" :
		type == FDW_IMPORT_SCHEMA_EXCEPT ? "except" : NULL;
}

static List *
import_foreign_schema(ImportForeignSchemaStmt *stmt, Oid serverid)
{
	List	   *volatile statements = NIL;

	PY_BEGIN();
	{
		PyObject   *tables = py_own(PyList_New(0));
		PyObject   *list;
		ListCell   *lc;

		foreach(lc, stmt->table_list)
			py_append(tables, server_string_to_python(lfirst_node(RangeVar, lc)->relname));
		list = py_call(py_host, "import_schema", "(OOOzOO)",
					   server_to_python(GetForeignServer(serverid), GetUserId()),
					   server_string_to_python(stmt->remote_schema),
					   options_to_python(stmt->options),
					   restriction_of(stmt->list_type), tables,
					   server_string_to_python(stmt->local_schema));
		for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
			statements = lappend(statements,
								 pstrdup(python_to_server_string(PyList_GET_ITEM(list, i))));
	}
	PY_END();
	return statements;
}

void
import_callbacks(FdwRoutine *routine)
{
	routine->ImportForeignSchema = import_foreign_schema;
}
