/*
 * multicorn._utils: what Python can call back. A PostgreSQL error here becomes a Python
 * exception, so that it unwinds Python's frames as Python does.
 */
#include "multicorn.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

/*
 * After PG_CATCH: make the caught error the raised Python exception.
 */
static void
raise_postgres_error(void)
{
	ErrorData  *error = CopyErrorData();

	FlushErrorState();
	Py_XDECREF(PyObject_CallMethod(py_host, "raise_postgres_error", "syyy",
								   unpack_sql_state(error->sqlerrcode),
								   error->message, error->detail, error->hint));
	FreeErrorData(error);
}

/*
 * Call into PostgreSQL, whose code is for the main thread alone.
 */
static PyObject *
call_postgres(void (*function) (PyObject *argument), PyObject *argument)
{
	MemoryContext context = CurrentMemoryContext;

	if (!py_on_main_thread())
	{
		PyErr_SetString(PyExc_RuntimeError,
						"PostgreSQL can only be called from the thread that runs the query");
		return NULL;
	}
	PG_TRY();
	{
		function(argument);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		raise_postgres_error();
	}
	PG_END_TRY();
	return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/*
 * Only a message: an error is raised in Python, and reported when it has left it.
 */
static PyObject *
send_report(PyObject *self pg_attribute_unused(), PyObject *report)
{
	return call_postgres(py_report, report);
}

/*
 * A cancel or a termination stays pending and is carried out when the exception has left Python,
 * by py_throw(), or by PostgreSQL soon after if the wrapper swallowed it.
 */
static void
serve_interrupts(PyObject *ignored pg_attribute_unused())
{
	if (!INTERRUPTS_PENDING_CONDITION() || !INTERRUPTS_CAN_BE_PROCESSED())
		return;
	if (QueryCancelPending || ProcDiePending)
		PyErr_SetString(PyExc_KeyboardInterrupt, "the query was canceled");
	else
		CHECK_FOR_INTERRUPTS(); /* the others end no query, but for rare ones as a lost client */
}

static PyObject *
check_interrupts(PyObject *self pg_attribute_unused(), PyObject *ignored)
{
	return call_postgres(serve_interrupts, ignored);
}

/* A function, since a preloaded module is imported before the process has a database. */
static PyObject *
database_encoding(PyObject *self pg_attribute_unused(), PyObject *ignored pg_attribute_unused())
{
	return PyUnicode_FromString(GetDatabaseEncodingName());
}

/* NULL if Python raised. */
PyObject *
create_utils_module(void)
{
	static PyMethodDef methods[] = {
		{"send_report", send_report, METH_O,
		"Report something to PostgreSQL's client and log: see multicorn/_reports.py."},
		{"check_interrupts", check_interrupts, METH_NOARGS,
		"Let PostgreSQL's interrupts be served; raise KeyboardInterrupt if the query was canceled."},
		{"database_encoding", database_encoding, METH_NOARGS,
		"The name of the database's encoding."},
		{NULL, NULL, 0, NULL}
	};
	static PyModuleDef definition = {
		.m_base = PyModuleDef_HEAD_INIT,
		.m_name = "multicorn._utils",
		.m_doc = "What a wrapper can ask of PostgreSQL.",
		.m_size = -1,
		.m_methods = methods,
	};

	return PyModule_Create(&definition);
}
