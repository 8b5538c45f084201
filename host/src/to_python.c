/*
 * From PostgreSQL's values to Python's: the values of quals and of rows to be written.
 *
 * The types are those Multicorn2 gives, so that a wrapper sees the same on either: int4 is an
 * int, numeric a float, bytea bytes, date and timestamp their namesakes, an array a list; text
 * and every other type is a str, in the type's output form (boolean 't', bigint '5', timestamptz
 * in the session's DateStyle and TimeZone).
 */
#include "multicorn.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/*
 * In an SQL_ASCII database the bytes may be of any encoding; what is not UTF-8 becomes lone
 * surrogates, which python_to_server_string() turns back into the same bytes.
 */
static PyObject *
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

/*
 * Nested arrays become nested lists, or one list to "flatten", which is how ANY and ALL take them.
 */
static PyObject *
array_to_python(ArrayType *array, bool flatten)
{
	PyObject   *items = py_own(PyList_New(0));
	PyObject   *lengths = py_own(PyList_New(0));
	ArrayIterator iterator = array_create_iterator(array, 0, NULL);
	Datum		value;
	bool		isnull;

	while (array_iterate(iterator, &value, &isnull))
	{
		PyObject   *item = isnull ? Py_None : datum_to_python(value, ARR_ELEMTYPE(array), false);

		py_append(items, item);
	}
	array_free_iterator(iterator);
	if (flatten || ARR_NDIM(array) <= 1)
		return items;
	for (int i = 0; i < ARR_NDIM(array); i++)
		py_append(lengths, py_own(PyLong_FromLong(ARR_DIMS(array)[i])));
	return py_call(py_host, "nested", "(OO)", items, lengths);
}

/*
 * Convert a value that is not NULL.
 */
PyObject *
datum_to_python(Datum value, Oid type, bool flatten)
{
	PyObject   *result = Py_None;

	switch (type)
	{
		case INT4OID:
			return py_own(PyLong_FromLong(DatumGetInt32(value)));
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case BYTEAOID:
			{
				struct varlena *data = PG_DETOAST_DATUM_PACKED(value);
				char	   *bytes = VARDATA_ANY(data);
				Size		length = VARSIZE_ANY_EXHDR(data);

				if (type == BYTEAOID)
					return py_own(PyBytes_FromStringAndSize(bytes, length));
				if (type == BPCHAROID)
					length = bpchartruelen(bytes, length);
				return server_text_to_python(bytes, length);
			}
		case NUMERICOID:
			return py_own(PyFloat_FromString(output_to_python(value, type)));
		case DATEOID:
			result = py_call(py_host, "date_value", "(i)", DatumGetDateADT(value));
			break;
		case TIMESTAMPOID:
			result = py_call(py_host, "timestamp_value", "(L)", DatumGetTimestamp(value));
			break;
		default:
			if (OidIsValid(get_element_type(type)))
				return array_to_python(DatumGetArrayTypeP(value), flatten);
	}
	return result != Py_None ? result : output_to_python(value, type);
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
		return py_own(Py_BuildValue("[O]", placeholder_to_python(element_type)));
	if (type == NUMERICOID)
		return py_own(PyFloat_FromDouble(0));
	/* 0 is the value of no enum. */
	if (get_typbyval(type) && !type_is_enum(getBaseType(type)))
		return datum_to_python((Datum) 0, type, false);
	return py_own(PyUnicode_FromString("?"));
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

PyObject *
int_list_to_python(List *list)
{
	PyObject   *result = py_own(PyList_New(0));
	ListCell   *lc;

	foreach(lc, list)
		py_append(result, py_own(PyLong_FromLong(lfirst_int(lc))));
	return result;
}

/*
 * The value of a LIMIT or OFFSET, None for none.
 */
PyObject *
limit_to_python(Const *limit)
{
	if (limit == NULL)
		return Py_None;
	return py_own(PyLong_FromLongLong(DatumGetInt64(limit->constvalue)));
}
