/*
 * From Python's values to PostgreSQL's: the rows a wrapper returns.
 *
 * Common types go straight to datums. Everything else, and a value that is not of the Python
 * class its column's type goes with, goes through str() and the type's input function, which
 * is also what refuses it.
 */
#include "multicorn.h"

#include <datetime.h>

/* Python's and PostgreSQL's headers of this name are guarded by the same macro. */
#undef DATETIME_H
#include "utils/datetime.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

void
to_postgres_init(void)
{
	PyDateTime_IMPORT;
	if (PyDateTimeAPI == NULL)
		py_throw();
}

/*
 * A str in the server's encoding, without a null character; valid as long as the str, or palloc'd.
 */
const char *
python_to_server_string(PyObject *string)
{
	Py_ssize_t	length;
	const char *utf8;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		PyObject   *bytes = py_own(PyUnicode_AsEncodedString(string, "utf-8", "surrogateescape"));

		utf8 = pnstrdup(PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
		length = PyBytes_GET_SIZE(bytes);
	}
	else
	{
		utf8 = PyUnicode_AsUTF8AndSize(string, &length);
		if (utf8 == NULL)
			py_throw();
	}
	if (memchr(utf8, '\0', length) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("a text value cannot contain the null character")));
	if (GetDatabaseEncoding() == PG_SQL_ASCII || GetDatabaseEncoding() == PG_UTF8)
		return utf8;
	return pg_any_to_server(utf8, length, PG_UTF8);
}

List *
python_to_int_list(PyObject *list)
{
	List	   *result = NIL;

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
		result = lappend_int(result, (int) PyLong_AsLong(PyList_GET_ITEM(list, i)));
	return result;
}

/*
 * Any value as text in the server's encoding. Bytes are taken to be in it already.
 */
static const char *
value_to_server_string(Converter *converter, PyObject *value)
{
	if (PyBytes_Check(value))
	{
		const char *bytes = PyBytes_AS_STRING(value);

		pg_verifymbstr(bytes, PyBytes_GET_SIZE(value), false);
		return bytes;
	}
	if (!PyUnicode_Check(value))
		value = py_call(py_host, "text", "(OI)", value, converter->base_type);
	return python_to_server_string(value);
}

static Datum
convert_by_input(Converter *converter, PyObject *value)
{
	const char *string = value_to_server_string(converter, value);

	return InputFunctionCall(&converter->input, unconstify(char *, string), converter->ioparam,
							 converter->typmod);
}

static Datum
convert_bool(Converter *converter, PyObject *value)
{
	if (PyBool_Check(value))
		return BoolGetDatum(value == Py_True);
	return convert_by_input(converter, value);
}

/*
 * What does not fit is left to the input function, to refuse in the usual words.
 */
static Datum
convert_integer(Converter *converter, PyObject *value)
{
	int			overflow = 1;
	int64		number = 0;

	if (PyLong_Check(value))
		number = PyLong_AsLongLongAndOverflow(value, &overflow);
	if (overflow == 0 && converter->base_type == INT8OID)
		return Int64GetDatum(number);
	if (overflow == 0 && converter->base_type == INT4OID && number == (int32) number)
		return Int32GetDatum((int32) number);
	if (overflow == 0 && converter->base_type == INT2OID && number == (int16) number)
		return Int16GetDatum((int16) number);
	return convert_by_input(converter, value);
}

static Datum
convert_float8(Converter *converter, PyObject *value)
{
	if (PyFloat_Check(value))
		return Float8GetDatum(PyFloat_AS_DOUBLE(value));
	return convert_by_input(converter, value);
}

/* A text or a bytea: the two look the same. */
static Datum
make_varlena(const char *data, Size length)
{
	if (length > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a value of %zu bytes is too long", length)));
	return PointerGetDatum(cstring_to_text_with_len(data, length));
}

static Datum
convert_text(Converter *converter, PyObject *value)
{
	const char *string = value_to_server_string(converter, value);

	return make_varlena(string, strlen(string));
}

/*
 * A str stands for its bytes in the server's encoding; it is not read as bytea's text form.
 */
static Datum
convert_bytea(Converter *converter, PyObject *value)
{
	if (!PyBytes_Check(value) && PyObject_CheckBuffer(value))
		value = py_own(PyBytes_FromObject(value));
	if (PyBytes_Check(value))
		return make_varlena(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
	return convert_text(converter, value);
}

static DateADT
python_date(PyObject *value)
{
	return date2j(PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value),
				  PyDateTime_GET_DAY(value)) - POSTGRES_EPOCH_JDATE;
}

static Datum
convert_date(Converter *converter, PyObject *value)
{
	if (PyDate_Check(value))
		return DateADTGetDatum(python_date(value));
	return convert_by_input(converter, value);
}

/* What the clock and the calendar showed. */
static Timestamp
python_local_timestamp(PyObject *value)
{
	return python_date(value) * USECS_PER_DAY +
		PyDateTime_DATE_GET_HOUR(value) * USECS_PER_HOUR +
		PyDateTime_DATE_GET_MINUTE(value) * USECS_PER_MINUTE +
		PyDateTime_DATE_GET_SECOND(value) * USECS_PER_SEC +
		PyDateTime_DATE_GET_MICROSECOND(value);
}

/*
 * A time zone is ignored, as PostgreSQL ignores one in the text of a timestamp.
 */
static Datum
convert_timestamp(Converter *converter, PyObject *value)
{
	if (PyDateTime_Check(value))
		return TimestampGetDatum(python_local_timestamp(value));
	return convert_by_input(converter, value);
}

/*
 * Without a time zone, the text is read as in the session's.
 */
static Datum
convert_timestamptz(Converter *converter, PyObject *value)
{
	if (PyDateTime_Check(value) && PyDateTime_DATE_GET_TZINFO(value) == PyDateTime_TimeZone_UTC)
		return TimestampTzGetDatum(python_local_timestamp(value));
	return convert_by_input(converter, value);
}

/*
 * Whether a list can be an element of an array: as a text, or as JSON.
 */
static bool
takes_lists(Oid element_type)
{
	Oid			type = getBaseType(element_type);
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	return category == TYPCATEGORY_STRING || type == JSONOID || type == JSONBOID;
}

/*
 * A list or tuple, nested for several dimensions; anything else by the array's text form. Where a
 * list can be an element, what is nested deeper than the column was declared is one.
 */
static Datum
convert_array(Converter *converter, PyObject *value)
{
	Oid			type = converter->element->type;
	ArrayBuildState *state;
	int			dims[MAXDIM];
	int			lower_bounds[MAXDIM] = {1, 1, 1, 1, 1, 1};
	PyObject   *lengths;
	PyObject   *items;

	if (!PyList_Check(value) && !PyTuple_Check(value))
		return convert_by_input(converter, value);
	if (!PyArg_ParseTuple(py_call(py_host, "array_parts", "(Oi)", value, converter->ndims), "OO", &lengths, &items))
		py_throw();
	state = initArrayResult(type, CurrentMemoryContext, false);
	for (int i = 0; i < PyList_GET_SIZE(lengths); i++)
		dims[i] = PyLong_AsLong(PyList_GET_ITEM(lengths, i));
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++)
	{
		PyObject   *item = PyList_GET_ITEM(items, i);
		bool		isnull = item == Py_None;
		Datum		element = isnull ? (Datum) 0 : convert_value(converter->element, item);

		accumArrayResult(state, element, isnull, type, CurrentMemoryContext);
	}
	return makeMdArrayResult(state, PyList_GET_SIZE(lengths), dims, lower_bounds,
							 CurrentMemoryContext, false);
}

/*
 * How values of a type are made. A length or a precision is left to the input function.
 */
static ConvertFunction
convert_function(Oid type, int32 typmod)
{
	static const struct
	{
		Oid			type;
		ConvertFunction convert;
	}			direct[] = {
		{BOOLOID, convert_bool},
		{INT2OID, convert_integer},
		{INT4OID, convert_integer},
		{INT8OID, convert_integer},
		{FLOAT8OID, convert_float8},
		{TEXTOID, convert_text},
		{VARCHAROID, convert_text},
		{BYTEAOID, convert_bytea},
		{DATEOID, convert_date},
		{TIMESTAMPOID, convert_timestamp},
		{TIMESTAMPTZOID, convert_timestamptz},
	};

	if (OidIsValid(get_element_type(type)))
		return convert_array;
	for (size_t i = 0; typmod < 0 && i < lengthof(direct); i++)
		if (direct[i].type == type)
			return direct[i].convert;
	return convert_by_input;
}

static void
converter_start(Converter *converter)
{
	MemoryContext old = MemoryContextSwitchTo(converter->context);
	Oid			function;

	converter->base_type = getBaseTypeAndTypmod(converter->type, &converter->typmod);
	getTypeInputInfo(converter->type, &function, &converter->ioparam);
	fmgr_info(function, &converter->input);
	converter->convert = convert_function(converter->base_type, converter->typmod);
	if (converter->convert == convert_array)
	{
		converter->element = palloc0(sizeof(Converter));
		converter->element->type = get_element_type(converter->base_type);
		converter->element->typmod = converter->typmod;
		converter->element->context = converter->context;
		if (!takes_lists(converter->element->type))
			converter->ndims = 0;
	}
	MemoryContextSwitchTo(old);
}

/*
 * Convert a value that is not None.
 */
Datum
convert_value(Converter *converter, PyObject *value)
{
	Datum		result;

	if (converter->convert == NULL)
		converter_start(converter);
	result = converter->convert(converter, value);
	if (converter->base_type != converter->type)
		domain_check(result, false, converter->type, &converter->domain_cache,
					 converter->context);
	return result;
}
