/*
 * From a Python exception to a PostgreSQL error.
 */
#include "multicorn.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

/* multicorn.utils.REPORT_CODES[CRITICAL] */
#define CODE_CRITICAL 4

typedef struct PyReport
{
	int			elevel;
	int			sqlstate;
	char	   *message;
	char	   *detail;
	char	   *hint;
	char	   *log_detail;
} PyReport;

static void describe(PyReport *report);
static char *attribute_string(PyObject *exception, const char *name);
static int	sqlstate_of(PyObject *exception);
static char *traceback_of(PyObject *exception);
static void emit(const PyReport *report, int elevel);

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
 * Take the raised exception out of Python and copy what it says, in the server's encoding.
 */
static void
describe(PyReport *report)
{
	PyObject   *exception = PyErr_GetRaisedException();
	PyObject   *marker;

	memset(report, 0, sizeof(*report));
	report->elevel = ERROR;
	report->sqlstate = ERRCODE_FDW_ERROR;
	if (exception == NULL)
	{
		report->message = "Python reported an error but no exception";
		return;
	}

	report->sqlstate = sqlstate_of(exception);

	/* Multicorn2's own mark; also of a subclass, or of a copy, of its class. */
	marker = PyObject_GetAttrString(exception, "_is_multicorn_exception");
	PyErr_Clear();
	if (marker != NULL && PyObject_IsTrue(marker) == 1)
	{
		PyObject   *code = PyObject_GetAttrString(exception, "code");

		if (code != NULL && PyLong_Check(code) && PyLong_AsLong(code) == CODE_CRITICAL)
			report->elevel = FATAL;
		Py_XDECREF(code);
		report->message = attribute_string(exception, "message");
		report->detail = attribute_string(exception, "detail");
		report->hint = attribute_string(exception, "hint");
		if (report->message == NULL)
			report->message = py_lossy_string(exception);
	}
	else
	{
		PyObject   *name = PyObject_GetAttrString((PyObject *) Py_TYPE(exception), "__name__");

		report->message = psprintf("Error in python: %s",
								   name != NULL ? py_lossy_string(name) : "?");
		Py_XDECREF(name);
		report->detail = py_lossy_string(exception);
		if (report->detail[0] == '\0')
			report->detail = NULL;
		report->log_detail = traceback_of(exception);
	}
	Py_XDECREF(marker);
	Py_DECREF(exception);
	PyErr_Clear();
}

/*
 * An attribute as a string; NULL where it is missing or None.
 */
static char *
attribute_string(PyObject *exception, const char *name)
{
	PyObject   *value = PyObject_GetAttrString(exception, name);
	char	   *result = NULL;

	if (value != NULL && value != Py_None)
		result = py_lossy_string(value);
	Py_XDECREF(value);
	PyErr_Clear();
	return result;
}

static int
sqlstate_of(PyObject *exception)
{
	PyObject   *value = PyObject_GetAttrString(exception, "sqlstate");
	int			result = ERRCODE_FDW_ERROR;

	if (value != NULL && PyUnicode_Check(value))
	{
		const char *code = PyUnicode_AsUTF8(value);

		/* Five digits or capitals, and not of the classes 00 to 02, that are no errors. */
		if (code != NULL && strlen(code) == 5 &&
			strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
			!(code[0] == '0' && code[1] <= '2'))
			result = MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
	}
	Py_XDECREF(value);
	PyErr_Clear();
	return result;
}

static char *
traceback_of(PyObject *exception)
{
	PyObject   *lines = NULL;
	PyObject   *empty = NULL;
	PyObject   *text = NULL;
	char	   *result = NULL;

	if (py.format_exception != NULL)
		lines = PyObject_CallOneArg(py.format_exception, exception);
	if (lines != NULL)
		empty = PyUnicode_FromString("");
	if (empty != NULL)
		text = PyUnicode_Join(empty, lines);
	if (text != NULL)
		result = py_lossy_string(text);
	Py_XDECREF(lines);
	Py_XDECREF(empty);
	Py_XDECREF(text);
	PyErr_Clear();
	return result;
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
