/*
 * From PostgreSQL's values to Python's: the values of quals and of rows to be written.
 *
 * The types are those Multicorn2 gives, so that a wrapper sees the same on either: int4 is an
 * int, numeric a float, bytea bytes, date and timestamp their namesakes, an array a list; text
 * and every other type is a str, in the type's output form (boolean 't', bigint '5', timestamptz
 * in the session's DateStyle and TimeZone).
 */
#include "multicorn.h"

#include <datetime.h>

/* Python's and PostgreSQL's headers of this name are guarded by the same macro. */
#undef DATETIME_H
#include "utils/datetime.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static PyObject *output_to_python(Datum value, Oid type);
static PyObject *date_to_python(Datum value);
static PyObject *timestamp_to_python(Datum value);
static PyObject *array_to_python(Datum value, Oid element_type, bool flatten);

void
to_python_init(void)
{
	PyDateTime_IMPORT;
	if (PyDateTimeAPI == NULL)
		py_throw();
}

/*
 * In an SQL_ASCII database the bytes may be of any encoding; what is not UTF-8 becomes lone
 * surrogates, which python_to_server_string() turns back into the same bytes.
 */
PyObject *
server_text_to_python(const char *string, Size length)
{
	PyObject   *result;
	char	   *utf8;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return py_own(PyUnicode_DecodeUTF8(string, length, "surrogateescape"));

	utf8 = pg_server_to_any(string, length, PG_UTF8);
	if (utf8 == string)
		return py_own(PyUnicode_DecodeUTF8(string, length, NULL));
	result = py_own(PyUnicode_DecodeUTF8(utf8, strlen(utf8), NULL));
	pfree(utf8);
	return result;
}

PyObject *
server_string_to_python(const char *string)
{
	return server_text_to_python(string, strlen(string));
}

/*
 * Convert a value that is not NULL. Nested arrays become nested lists, or one list to "flatten",
 * which is how ANY and ALL take them.
 */
PyObject *
datum_to_python(Datum value, Oid type, bool flatten)
{
	Oid			element_type;

	switch (type)
	{
		case INT4OID:
			return py_own(PyLong_FromLong(DatumGetInt32(value)));
		case TEXTOID:
		case VARCHAROID:
			{
				text	   *string = DatumGetTextPP(value);

				return server_text_to_python(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
			}
		case BPCHAROID:
			{
				BpChar	   *string = DatumGetBpCharPP(value);

				return server_text_to_python(VARDATA_ANY(string),
											 bpchartruelen(VARDATA_ANY(string),
														   VARSIZE_ANY_EXHDR(string)));
			}
		case BYTEAOID:
			{
				bytea	   *bytes = DatumGetByteaPP(value);

				return py_own(PyBytes_FromStringAndSize(VARDATA_ANY(bytes),
														VARSIZE_ANY_EXHDR(bytes)));
			}
		case NUMERICOID:
			return py_own(PyFloat_FromString(output_to_python(value, type)));
		case DATEOID:
			return date_to_python(value);
		case TIMESTAMPOID:
			return timestamp_to_python(value);
		default:
			element_type = get_element_type(type);
			if (OidIsValid(element_type))
				return array_to_python(value, element_type, flatten);
			return output_to_python(value, type);
	}
}

/*
 * What EXPLAIN shows for a value that only the execution will know; of the type the real one
 * will have, so that a wrapper need not tell them apart.
 */
PyObject *
placeholder_to_python(Oid type)
{
	Oid			element_type = get_element_type(type);

	if (OidIsValid(element_type))
	{
		PyObject   *list = py_own(PyList_New(0));

		if (PyList_Append(list, placeholder_to_python(element_type)) < 0)
			py_throw();
		return list;
	}
	if (type == NUMERICOID)
		return py_own(PyFloat_FromDouble(0));
	if (get_typbyval(type))
		return datum_to_python((Datum) 0, type, false);
	return py_own(PyUnicode_FromString("?"));
}

static PyObject *
output_to_python(Datum value, Oid type)
{
	Oid			function;
	bool		is_varlena;
	char	   *string;
	PyObject   *result;

	getTypeOutputInfo(type, &function, &is_varlena);
	string = OidOutputFunctionCall(function, value);
	result = server_string_to_python(string);
	pfree(string);
	return result;
}

/* Python's years go from 1 to 9999. What is beyond, and infinity, is passed as text. */
#define PYTHON_HAS_YEAR(year) ((year) >= 1 && (year) <= 9999)

static PyObject *
date_to_python(Datum value)
{
	DateADT		date = DatumGetDateADT(value);
	int			year;
	int			month;
	int			day;

	if (!DATE_NOT_FINITE(date))
	{
		j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
		if (PYTHON_HAS_YEAR(year))
			return py_own(PyDate_FromDate(year, month, day));
	}
	return output_to_python(value, DATEOID);
}

static PyObject *
timestamp_to_python(Datum value)
{
	Timestamp	timestamp = DatumGetTimestamp(value);
	struct pg_tm tm;
	fsec_t		microseconds;

	if (!TIMESTAMP_NOT_FINITE(timestamp) &&
		timestamp2tm(timestamp, NULL, &tm, &microseconds, NULL, NULL) == 0 &&
		PYTHON_HAS_YEAR(tm.tm_year))
		return py_own(PyDateTime_FromDateAndTime(tm.tm_year, tm.tm_mon, tm.tm_mday,
												 tm.tm_hour, tm.tm_min, tm.tm_sec,
												 microseconds));
	return output_to_python(value, TIMESTAMPOID);
}

/*
 * The elements of one dimension, taken in order from "elements"; the inner dimensions first.
 */
static PyObject *
dimension_to_python(Datum **elements, bool **nulls, Oid element_type, int ndims, const int *dims)
{
	PyObject   *list = py_own(PyList_New(dims[0]));

	for (int i = 0; i < dims[0]; i++)
	{
		PyObject   *item;

		if (ndims > 1)
			item = dimension_to_python(elements, nulls, element_type, ndims - 1, dims + 1);
		else
		{
			item = **nulls ? Py_None : datum_to_python(**elements, element_type, false);
			(*elements)++;
			(*nulls)++;
		}
		PyList_SET_ITEM(list, i, Py_NewRef(item));
	}
	return list;
}

static PyObject *
array_to_python(Datum value, Oid element_type, bool flatten)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int16		length;
	bool		byval;
	char		alignment;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (ARR_NDIM(array) == 0)
		return py_own(PyList_New(0));
	get_typlenbyvalalign(element_type, &length, &byval, &alignment);
	deconstruct_array(array, element_type, length, byval, alignment, &elements, &nulls, &count);
	if (flatten)
		return dimension_to_python(&elements, &nulls, element_type, 1, &count);
	return dimension_to_python(&elements, &nulls, element_type, ARR_NDIM(array), ARR_DIMS(array));
}

/*
 * A dict of options, a list of DefElem; of one name, the last counts.
 */
PyObject *
options_to_python(List *options)
{
	PyObject   *dict = py_own(PyDict_New());
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (PyDict_SetItem(dict, server_string_to_python(option->defname),
						   server_string_to_python(defGetString(option))) < 0)
			py_throw();
	}
	return dict;
}
