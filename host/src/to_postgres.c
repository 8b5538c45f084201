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
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
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

/*
 * Any value as text in the server's encoding. Bytes are taken to be in it already.
 */
static const char *
value_to_server_string(PyObject *value)
{
	if (PyUnicode_Check(value))
		return python_to_server_string(value);
	if (PyBytes_Check(value))
	{
		const char *bytes = PyBytes_AS_STRING(value);

		pg_verifymbstr(bytes, PyBytes_GET_SIZE(value), false);
		return bytes;
	}
	if (PyDict_Check(value))
		value = PyObject_CallOneArg(py.hstore_text, value);
	else if (PyDate_Check(value))
		value = PyObject_CallMethod(value, "isoformat", NULL);
	else
		value = PyObject_Str(value);
	return python_to_server_string(py_own(value));
}

static Datum
convert_by_input(Converter *converter, PyObject *value)
{
	return InputFunctionCall(&converter->input, unconstify(char *, value_to_server_string(value)),
							 converter->ioparam, converter->typmod);
}

static Datum
convert_bool(Converter *converter, PyObject *value)
{
	if (PyBool_Check(value))
		return BoolGetDatum(value == Py_True);
	return convert_by_input(converter, value);
}

static Datum
convert_integer(Converter *converter, PyObject *value)
{
	int			overflow;
	int64		number;

	if (!PyLong_Check(value))
		return convert_by_input(converter, value);
	number = PyLong_AsLongLongAndOverflow(value, &overflow);
	if (number == -1 && overflow == 0 && PyErr_Occurred())
		py_throw();
	if (overflow == 0)
	{
		if (converter->base_type == INT8OID)
			return Int64GetDatum(number);
		if (converter->base_type == INT4OID && number >= PG_INT32_MIN && number <= PG_INT32_MAX)
			return Int32GetDatum((int32) number);
		if (converter->base_type == INT2OID && number >= PG_INT16_MIN && number <= PG_INT16_MAX)
			return Int16GetDatum((int16) number);
	}
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value \"%s\" is out of range for type %s",
					py_lossy_string(value), format_type_be(converter->base_type))));
}

static Datum
convert_float(Converter *converter, PyObject *value)
{
	if (PyFloat_Check(value))
	{
		double		number = PyFloat_AS_DOUBLE(value);

		if (converter->base_type == FLOAT8OID)
			return Float8GetDatum(number);

		/* dtof() is what a cast does: it refuses what float4 cannot hold. */
		return DirectFunctionCall1(dtof, Float8GetDatum(number));
	}
	return convert_by_input(converter, value);
}

static Datum
convert_numeric(Converter *converter, PyObject *value)
{
	int			overflow;
	int64		number;
	Datum		result;

	if (!PyLong_CheckExact(value))
		return convert_by_input(converter, value);
	number = PyLong_AsLongLongAndOverflow(value, &overflow);
	if (overflow != 0)
		return convert_by_input(converter, value);
	result = NumericGetDatum(int64_to_numeric(number));
	if (converter->typmod >= 0)
		result = DirectFunctionCall2(numeric, result, Int32GetDatum(converter->typmod));
	return result;
}

static Datum
convert_text(Converter *converter, PyObject *value)
{
	(void) converter;
	return PointerGetDatum(cstring_to_text(value_to_server_string(value)));
}

/*
 * A str stands for its bytes in the server's encoding; it is not read as bytea's text form.
 */
static Datum
convert_bytea(Converter *converter, PyObject *value)
{
	PyObject   *bytes = value;
	Size		length;
	bytea	   *result;

	(void) converter;
	if (!PyBytes_Check(value) && PyObject_CheckBuffer(value))
		bytes = py_own(PyBytes_FromObject(value));
	if (!PyBytes_Check(bytes))
		return PointerGetDatum(cstring_to_text(value_to_server_string(bytes)));

	length = PyBytes_GET_SIZE(bytes);
	if (length > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a value of %zu bytes is too long", length)));
	result = palloc(length + VARHDRSZ);
	SET_VARSIZE(result, length + VARHDRSZ);
	memcpy(VARDATA(result), PyBytes_AS_STRING(bytes), length);
	return PointerGetDatum(result);
}

static DateADT
python_date(PyObject *value)
{
	return date2j(PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value),
				  PyDateTime_GET_DAY(value)) - POSTGRES_EPOCH_JDATE;
}

/* Microseconds since midnight. */
static int64
python_time_of_day(PyObject *value)
{
	return ((PyDateTime_DATE_GET_HOUR(value) * INT64CONST(60) +
			 PyDateTime_DATE_GET_MINUTE(value)) * 60 +
			PyDateTime_DATE_GET_SECOND(value)) * USECS_PER_SEC +
		PyDateTime_DATE_GET_MICROSECOND(value);
}

/* What the clock and the calendar showed; a date is its midnight. */
static Timestamp
python_local_timestamp(PyObject *value)
{
	Timestamp	timestamp = python_date(value) * USECS_PER_DAY;

	if (PyDateTime_Check(value))
		timestamp += python_time_of_day(value);
	return timestamp;
}

static Datum
convert_date(Converter *converter, PyObject *value)
{
	if (PyDate_Check(value))
		return DateADTGetDatum(python_date(value));
	return convert_by_input(converter, value);
}

static Datum
convert_time(Converter *converter, PyObject *value)
{
	Datum		result;

	if (!PyTime_Check(value) || PyDateTime_TIME_GET_TZINFO(value) != Py_None)
		return convert_by_input(converter, value);
	result = TimeADTGetDatum(((PyDateTime_TIME_GET_HOUR(value) * INT64CONST(60) +
							   PyDateTime_TIME_GET_MINUTE(value)) * 60 +
							  PyDateTime_TIME_GET_SECOND(value)) * USECS_PER_SEC +
							 PyDateTime_TIME_GET_MICROSECOND(value));
	if (converter->typmod >= 0)
		result = DirectFunctionCall2(time_scale, result, Int32GetDatum(converter->typmod));
	return result;
}

/*
 * A time zone is ignored, as PostgreSQL ignores one in the text of a timestamp.
 */
static Datum
convert_timestamp(Converter *converter, PyObject *value)
{
	Datum		result;

	if (!PyDate_Check(value))
		return convert_by_input(converter, value);
	result = TimestampGetDatum(python_local_timestamp(value));
	if (converter->typmod >= 0)
		result = DirectFunctionCall2(timestamp_scale, result, Int32GetDatum(converter->typmod));
	return result;
}

/* Microseconds; a time zone's offset, less than a day, always fits. */
static int64
python_offset(PyObject *delta)
{
	return PyDateTime_DELTA_GET_DAYS(delta) * USECS_PER_DAY +
		PyDateTime_DELTA_GET_SECONDS(delta) * USECS_PER_SEC +
		PyDateTime_DELTA_GET_MICROSECONDS(delta);
}

/*
 * A value without a time zone is in the session's, as in PostgreSQL.
 */
static Datum
convert_timestamptz(Converter *converter, PyObject *value)
{
	Timestamp	local;
	Datum		result;
	PyObject   *zone;
	PyObject   *offset = Py_None;

	if (!PyDate_Check(value))
		return convert_by_input(converter, value);

	local = python_local_timestamp(value);
	zone = PyDateTime_Check(value) ? PyDateTime_DATE_GET_TZINFO(value) : Py_None;
	if (zone != Py_None && zone != PyDateTime_TimeZone_UTC)
		offset = py_own(PyObject_CallMethod(value, "utcoffset", NULL));

	if (zone == PyDateTime_TimeZone_UTC)
		result = TimestampTzGetDatum(local);
	else if (PyDelta_Check(offset))
		result = TimestampTzGetDatum(local - python_offset(offset));
	else
		result = DirectFunctionCall1(timestamp_timestamptz, TimestampGetDatum(local));
	if (converter->typmod >= 0)
		result = DirectFunctionCall2(timestamptz_scale, result, Int32GetDatum(converter->typmod));
	return result;
}

static Datum
convert_interval(Converter *converter, PyObject *value)
{
	Interval   *interval;
	Datum		result;

	if (!PyDelta_Check(value))
		return convert_by_input(converter, value);
	interval = palloc0(sizeof(Interval));
	interval->day = PyDateTime_DELTA_GET_DAYS(value);
	interval->time = PyDateTime_DELTA_GET_SECONDS(value) * USECS_PER_SEC +
		PyDateTime_DELTA_GET_MICROSECONDS(value);
	result = IntervalPGetDatum(interval);
	if (converter->typmod >= 0)
		result = DirectFunctionCall2(interval_scale, result, Int32GetDatum(converter->typmod));
	return result;
}

/*
 * A str is JSON's text; any other value is written as JSON.
 */
static Datum
convert_json(Converter *converter, PyObject *value)
{
	if (!PyUnicode_Check(value) && !PyBytes_Check(value))
		value = py_own(PyObject_CallOneArg(py.json_text, value));
	return convert_by_input(converter, value);
}

typedef struct ArrayBuilder
{
	Converter  *element;
	Datum	   *elements;
	bool	   *nulls;
	int			filled;
	int			ndims;
	int			dims[MAXDIM];
} ArrayBuilder;

static bool
is_array_value(PyObject *value)
{
	return PyList_Check(value) || PyTuple_Check(value);
}

static void
fill_array(ArrayBuilder *builder, PyObject *value, int dimension)
{
	for (int i = 0; i < builder->dims[dimension]; i++)
	{
		PyObject   *item;

		if (!is_array_value(value) || PySequence_Size(value) != builder->dims[dimension])
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("the nested lists of an array must all have the same length")));
		item = py_own(PySequence_GetItem(value, i));
		if (dimension + 1 < builder->ndims)
		{
			fill_array(builder, item, dimension + 1);
			continue;
		}
		builder->nulls[builder->filled] = item == Py_None;
		if (item != Py_None)
			builder->elements[builder->filled] = convert_value(builder->element, item);
		builder->filled++;
	}
}

/*
 * A list or tuple, nested for several dimensions; anything else by the array's text form.
 */
static Datum
convert_array(Converter *converter, PyObject *value)
{
	ArrayBuilder builder = {.element = converter->element};
	int			lower_bounds[MAXDIM];
	Size		count = 1;
	PyObject   *first = value;

	if (!is_array_value(value))
		return convert_by_input(converter, value);

	/* The first element, and its first one, and so on, tell the dimensions. */
	while (is_array_value(first))
	{
		Py_ssize_t	length = PySequence_Size(first);

		if (length == 0)
			break;
		if (builder.ndims == MAXDIM || length > (Py_ssize_t) (MaxAllocSize / sizeof(Datum) / count))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("an array has too many elements or dimensions")));
		builder.dims[builder.ndims] = length;
		lower_bounds[builder.ndims++] = 1;
		count *= length;
		first = py_own(PySequence_GetItem(first, 0));
	}
	if (builder.ndims == 0)
		return PointerGetDatum(construct_empty_array(converter->element->type));

	builder.elements = palloc(count * sizeof(Datum));
	builder.nulls = palloc(count * sizeof(bool));
	fill_array(&builder, value, 0);
	return PointerGetDatum(construct_md_array(builder.elements, builder.nulls, builder.ndims,
											  builder.dims, lower_bounds,
											  converter->element->type,
											  converter->element_length,
											  converter->element_byval,
											  converter->element_alignment));
}

static ConvertFunction
convert_function(Oid type, int32 typmod)
{
	switch (type)
	{
		case BOOLOID:
			return convert_bool;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return convert_integer;
		case FLOAT4OID:
		case FLOAT8OID:
			return convert_float;
		case NUMERICOID:
			return convert_numeric;
		case TEXTOID:
			return convert_text;
		case VARCHAROID:
			return typmod < 0 ? convert_text : convert_by_input;
		case BYTEAOID:
			return convert_bytea;
		case DATEOID:
			return convert_date;
		case TIMEOID:
			return convert_time;
		case TIMESTAMPOID:
			return convert_timestamp;
		case TIMESTAMPTZOID:
			return convert_timestamptz;
		case INTERVALOID:
			return convert_interval;
		case JSONOID:
		case JSONBOID:
			return convert_json;
		default:
			return OidIsValid(get_element_type(type)) ? convert_array : convert_by_input;
	}
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
		Converter  *element = palloc0(sizeof(Converter));

		element->type = get_element_type(converter->base_type);
		element->typmod = converter->typmod;
		element->context = converter->context;
		converter->element = element;
		get_typlenbyvalalign(element->type, &converter->element_length,
							 &converter->element_byval, &converter->element_alignment);
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
