/*
 * From a Python exception to a PostgreSQL error.
 */
#include "multicorn.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

typedef struct PyReport
{
	int			elevel;
	int			sqlstate;
	char	   *message;
	char	   *detail;
	char	   *hint;
	char	   *log_detail;
} PyReport;

/*
 * A part of the report, a str or None, as a string in the server's encoding or NULL.
 */
static char *
report_string(PyObject *report, int index)
{
	PyObject   *part = PyTuple_GET_ITEM(report, index);

	return part == Py_None ? NULL : py_lossy_string(part);
}

/*
 * Take the raised exception out of Python and copy what is to be said of it.
 */
static void
describe(PyReport *result)
{
	PyObject   *exception = PyErr_GetRaisedException();
	PyObject   *report = NULL;
	char	   *sqlstate;

	memset(result, 0, sizeof(*result));
	result->elevel = ERROR;
	result->sqlstate = ERRCODE_FDW_ERROR;
	if (exception != NULL && py.report != NULL)
		report = PyObject_CallOneArg(py.report, exception);
	if (report == NULL)
	{
		/* Python is not even fit to tell, for want of memory or of its own modules. */
		result->message = psprintf("Error in python: %s",
								   exception != NULL ? Py_TYPE(exception)->tp_name : "no exception");
		result->detail = exception != NULL ? py_lossy_string(exception) : NULL;
		Py_XDECREF(exception);
		PyErr_Clear();
		return;
	}
	if (PyTuple_GET_ITEM(report, 0) == Py_True)
		result->elevel = FATAL;
	sqlstate = report_string(report, 1);
	if (sqlstate != NULL)
		result->sqlstate = MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3],
										 sqlstate[4]);
	result->message = report_string(report, 2);
	result->detail = report_string(report, 3);
	result->hint = report_string(report, 4);
	result->log_detail = report_string(report, 5);
	Py_DECREF(report);
	Py_DECREF(exception);
}

static void
emit(const PyReport *report, int elevel)
{
	ereport(elevel,
			(errcode(report->sqlstate),
			 errmsg_internal("%s", report->message),
			 report->detail != NULL ? errdetail_internal("%s", report->detail) : 0,
			 report->hint != NULL ? errhint("%s", report->hint) : 0,
			 report->log_detail != NULL ? errdetail_log("%s", report->log_detail) : 0));
}

/*
 * Throw the exception that Python has raised.
 *
 * Python's references are dropped before the jump. A wrapper stops working for a cancel request
 * by raising whatever it likes; what the client then gets is PostgreSQL's own error for it.
 */
void
py_throw(void)
{
	PyReport	report;

	describe(&report);
	CHECK_FOR_INTERRUPTS();
	emit(&report, report.elevel);
	pg_unreachable();
}

/*
 * Report the exception as a WARNING, where it is too late for an error.
 */
void
py_warn(void)
{
	PyReport	report;

	describe(&report);
	emit(&report, WARNING);
}

/*
 * Python's name for the server's encoding, where it has one: it spells PostgreSQL's WIN1252 cp1252.
 */
static const char *
python_encoding(void)
{
	const char *name = GetDatabaseEncodingName();

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return "utf-8";
	if (strncmp(name, "WIN", 3) == 0)
		return psprintf("cp%s", name + 3);
	return name;
}

/*
 * str(object) for a message: palloc'd, in the server's encoding, with escapes for the characters
 * that this lacks. Never fails for the object's sake, needs no catalog and no transaction, so it
 * also serves while one is being aborted.
 */
char *
py_lossy_string(PyObject *object)
{
	PyObject   *string = PyObject_Str(object);
	PyObject   *bytes = NULL;
	char	   *result;

	if (string != NULL)
		bytes = PyUnicode_AsEncodedString(string, python_encoding(), "backslashreplace");
	if (string != NULL && bytes == NULL)
	{
		PyErr_Clear();
		bytes = PyUnicode_AsEncodedString(string, "ascii", "backslashreplace");
	}
	result = pstrdup(bytes != NULL ? PyBytes_AS_STRING(bytes) : "(not printable)");
	Py_XDECREF(string);
	Py_XDECREF(bytes);
	PyErr_Clear();
	return result;
}
