/*
 * multicorn._utils: what Python can call back. A PostgreSQL error here becomes a Python
 * exception, so that it unwinds Python's frames as Python does.
 */
#include "multicorn.h"

#include "miscadmin.h"

/*
 * PostgreSQL's code is for the main thread alone. Returns false with an exception set elsewhere.
 */
static bool
check_main_thread(void)
{
	if (py_on_main_thread())
		return true;
	PyErr_SetString(PyExc_RuntimeError,
					"PostgreSQL can only be called from the thread that runs the query");
	return false;
}

/*
 * After PG_CATCH: make the caught error the raised Python exception.
 */
static void
raise_postgres_error(MemoryContext context)
{
	ErrorData  *error;
	PyObject   *exception;
	PyObject   *sqlstate;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();

	exception = PyObject_CallFunction(py.MulticornException, "siss", error->message, 3,
									  error->hint, error->detail);
	sqlstate = PyUnicode_FromString(unpack_sql_state(error->sqlerrcode));
	if (exception != NULL && sqlstate != NULL &&
		PyObject_SetAttrString(exception, "sqlstate", sqlstate) == 0)
		PyErr_SetObject(py.MulticornException, exception);
	Py_XDECREF(exception);
	Py_XDECREF(sqlstate);
	FreeErrorData(error);
}

static int
report_level(int code)
{
	switch (code)
	{
		case 0:
			return DEBUG1;
		case 1:
			return NOTICE;
		case 2:
			return WARNING;
		default:
			return INFO;
	}
}

static PyObject *
log_to_postgres(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *keywords[] = {"message", "level", "hint", "detail", NULL};
	MemoryContext context = CurrentMemoryContext;
	PyObject   *message;
	PyObject   *hint = Py_None;
	PyObject   *detail = Py_None;
	int			code = 0;
	volatile bool failed = false;

	(void) self;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|iOO", keywords,
									 &message, &code, &hint, &detail) ||
		!check_main_thread())
		return NULL;

	PG_TRY();
	{
		char	   *message_text = py_lossy_string(message);
		char	   *hint_text = hint != Py_None ? py_lossy_string(hint) : NULL;
		char	   *detail_text = detail != Py_None ? py_lossy_string(detail) : NULL;

		ereport(report_level(code),
				(errmsg_internal("%s", message_text),
				 hint_text != NULL ? errhint("%s", hint_text) : 0,
				 detail_text != NULL ? errdetail_internal("%s", detail_text) : 0));
		pfree(message_text);
		if (hint_text != NULL)
			pfree(hint_text);
		if (detail_text != NULL)
			pfree(detail_text);
	}
	PG_CATCH();
	{
		raise_postgres_error(context);
		failed = true;
	}
	PG_END_TRY();

	if (failed)
		return NULL;
	Py_RETURN_NONE;
}

/*
 * A cancel or a termination stays pending and is carried out when the exception has left Python,
 * by py_throw(), or by PostgreSQL soon after if the wrapper swallowed it.
 */
static PyObject *
check_interrupts(PyObject *self, PyObject *ignored)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool failed = false;

	(void) self;
	(void) ignored;
	if (!check_main_thread())
		return NULL;
	if (!INTERRUPTS_PENDING_CONDITION() || !INTERRUPTS_CAN_BE_PROCESSED())
		Py_RETURN_NONE;
	if (QueryCancelPending || ProcDiePending)
	{
		PyErr_SetString(PyExc_KeyboardInterrupt, "the query was canceled");
		return NULL;
	}

	/* The other interrupts do not end the query, but for rare ones such as a lost client. */
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
	}
	PG_CATCH();
	{
		raise_postgres_error(context);
		failed = true;
	}
	PG_END_TRY();

	if (failed)
		return NULL;
	Py_RETURN_NONE;
}

PyObject *
create_utils_module(void)
{
	static PyMethodDef methods[] = {
		{"_log_to_postgres", (PyCFunction) (void (*) (void)) log_to_postgres,
		METH_VARARGS | METH_KEYWORDS, "Report a message to PostgreSQL's client and log."},
		{"check_interrupts", check_interrupts, METH_NOARGS,
		"Let PostgreSQL's interrupts be served; raise KeyboardInterrupt if the query was canceled."},
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
