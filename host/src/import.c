/*
 * IMPORT FOREIGN SCHEMA.
 */
#include "multicorn.h"

#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"

static const char *
restriction_name(ImportForeignSchemaStmt *stmt)
{
	switch (stmt->list_type)
	{
		case FDW_IMPORT_SCHEMA_LIMIT_TO:
			return "limit";
		case FDW_IMPORT_SCHEMA_EXCEPT:
			return "except";
		case FDW_IMPORT_SCHEMA_ALL:
			break;
	}
	return NULL;
}

static PyObject *
table_names(List *tables)
{
	PyObject   *list = py_own(PyList_New(0));
	ListCell   *lc;

	foreach(lc, tables)
		if (PyList_Append(list, server_string_to_python(lfirst_node(RangeVar, lc)->relname)) < 0)
			py_throw();
	return list;
}

/*
 * The server's wrapper class, and the options of the server and the current user's mapping.
 */
static PyObject *
server_class(ForeignServer *server, List **options)
{
	const char *wrapper = NULL;
	ListCell   *lc;

	*options = NIL;
	foreach(lc, server->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "wrapper") == 0)
			wrapper = defGetString(option);
		else
			*options = lappend(*options, option);
	}
	if (wrapper == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("server \"%s\" has no option \"wrapper\"", server->servername)));
	*options = list_concat(*options, mapping_options(GetUserId(), server->serverid));
	return py_own(PyObject_CallOneArg(py.get_class, server_string_to_python(wrapper)));
}

List *
import_foreign_schema(ImportForeignSchemaStmt *stmt, Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	List	   *volatile statements = NIL;

	PY_BEGIN();
	{
		List	   *options;
		PyObject   *class = server_class(server, &options);
		PyObject   *tables;
		PyObject   *table;

		tables = py_own(PyObject_CallMethod(class, "import_schema", "OOOzO",
											server_string_to_python(stmt->remote_schema),
											options_to_python(options),
											options_to_python(stmt->options),
											restriction_name(stmt),
											table_names(stmt->table_list)));
		tables = py_own(PyObject_GetIter(tables));
		while ((table = PyIter_Next(tables)) != NULL)
		{
			int			mark = py_pool_mark();
			PyObject   *statement;

			py_own(table);
			statement = py_own(PyObject_CallMethod(table, "to_statement", "OO",
												   server_string_to_python(stmt->local_schema),
												   server_string_to_python(server->servername)));
			if (!PyUnicode_Check(statement))
				ereport(ERROR,
						(errcode(ERRCODE_FDW_ERROR),
						 errmsg("to_statement must return a string, not %s",
								Py_TYPE(statement)->tp_name)));
			statements = lappend(statements, pstrdup(python_to_server_string(statement)));
			py_pool_release(mark);
		}
		if (PyErr_Occurred())
			py_throw();
	}
	PY_END();
	return statements;
}
