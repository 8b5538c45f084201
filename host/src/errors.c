/*
 * From a Python exception to a PostgreSQL error.
 */
#include "multicorn.h"

#include "miscadmin.h"

/*
 * Report what multicorn/_reports.py put together, see there; an error is thrown.
 */
void
py_report(PyObject *report)
{
	static const int levels[] = {DEBUG1, NOTICE, WARNING, ERROR, FATAL};
	int			code;
	const char *state;
	const char *message;
	const char *detail;
	const char *hint;
	const char *log;

	if (!PyArg_ParseTuple(report, "isyyyy", &code, &state, &message, &detail, &hint, &log))
		py_throw();
	if (code < 0 || code >= (int) lengthof(levels) || (*state && strlen(state) != 5))
		elog(ERROR, "no such level or SQLSTATE: %d, \"%s\"", code, state);
	ereport(levels[code],
			(*state ? errcode(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])) : 0,
			 errmsg_internal("%s", message),
			 *detail ? errdetail_internal("%s", detail) : 0,
			 *hint ? errhint("%s", hint) : 0,
			 *log ? errdetail_log("%s", log) : 0));
}

/*
 * Throw the exception that Python has raised.
 *
 * A wrapper stops working for a cancel request by raising whatever it likes; what the client then
 * gets is PostgreSQL's own error for it.
 */
void
py_throw(void)
{
	PyObject   *exception = PyErr_GetRaisedException();
	PyObject   *report = NULL;

	if (exception != NULL)
		py_own(exception);
	if (exception != NULL && py_host != NULL)
		report = PyObject_CallMethod(py_host, "report", "O", exception);
	if (report == NULL)
	{
		/* Python is not even fit to tell, for want of memory or of its own modules. */
		PyObject   *name;

		PyErr_Clear();
		name = PyObject_ASCII(exception);	/* "<NULL>" for none */
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg_internal("Error in python: %s",
								 name != NULL ? PyUnicode_AsUTF8(py_own(name)) : "no memory")));
	}
	py_own(report);
	CHECK_FOR_INTERRUPTS();
	py_report(report);
	pg_unreachable();
}
