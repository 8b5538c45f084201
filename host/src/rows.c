/*
 * Whole rows, from Python and to it.
 */
#include "multicorn.h"

#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct ColumnConverter
{
	Converter	converter;
	AttrNumber	attno;
	int			position;		/* in a row given as a sequence */
	const char *name;			/* in the server's encoding */
} ColumnConverter;

struct RowConverter
{
	char	   *table;
	int			sequence_length;
	PyHolder	names;			/* a tuple, of the columns' names */
	int			count;
	ColumnConverter *current;	/* the column being converted, for error messages */
	ColumnConverter columns[FLEXIBLE_ARRAY_MEMBER];
};

/*
 * Prepare to convert rows of a table, or some of its columns (attribute numbers; NULL is all).
 * The converter lives as long as the current memory context.
 */
RowConverter *
row_converter(Relation relation, Bitmapset *columns)
{
	TupleDesc	desc = RelationGetDescr(relation);
	RowConverter *result = palloc0(offsetof(RowConverter, columns) +
								   desc->natts * sizeof(ColumnConverter));
	PyObject   *names;

	result->table = pstrdup(RelationGetRelationName(relation));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		ColumnConverter *column;
		int			position;

		if (attribute->attisdropped)
			continue;
		position = result->sequence_length++;
		if (columns != NULL && !bms_is_member(attribute->attnum, columns))
			continue;
		column = &result->columns[result->count++];
		column->attno = attribute->attnum;
		column->position = position;
		column->name = pstrdup(NameStr(attribute->attname));
		column->converter.type = attribute->atttypid;
		column->converter.typmod = attribute->atttypmod;
		column->converter.context = CurrentMemoryContext;
	}

	names = py_own(PyTuple_New(result->count));
	for (int i = 0; i < result->count; i++)
	{
		PyObject   *name = Py_NewRef(server_string_to_python(result->columns[i].name));

		/* Interned, it is most often the same object as the key in the wrapper's dict. */
		PyUnicode_InternInPlace(&name);
		PyTuple_SET_ITEM(names, i, name);
	}
	py_holder_init(&result->names, CurrentMemoryContext);
	py_holder_set(&result->names, names);
	return result;
}

PyObject *
row_column_names(const RowConverter *converter)
{
	return converter->names.object;
}

static void
add_error_context(void *arg)
{
	RowConverter *converter = arg;

	if (converter->current != NULL)
		errcontext("column \"%s\" of foreign table \"%s\"",
				   converter->current->name, converter->table);
}

/*
 * A column's value in a row, as an own reference; NULL if there is none.
 */
static PyObject *
row_item(RowConverter *converter, PyObject *row, int i, bool is_mapping)
{
	PyObject   *name = PyTuple_GET_ITEM(converter->names.object, i);
	PyObject   *item;

	if (PyDict_CheckExact(row))
	{
		item = PyDict_GetItemWithError(row, name);
		if (item == NULL && PyErr_Occurred())
			py_throw();
		return Py_XNewRef(item);
	}
	if (!is_mapping)
	{
		item = PySequence_GetItem(row, converter->columns[i].position);
		if (item == NULL)
			py_throw();
		return item;
	}
	item = PyObject_GetItem(row, name);
	if (item == NULL)
	{
		if (!PyErr_ExceptionMatches(PyExc_KeyError))
			py_throw();
		PyErr_Clear();
	}
	return item;
}

/*
 * Whether the row is a mapping; otherwise it is a sequence, of at least the table's columns.
 */
static bool
row_is_mapping(RowConverter *converter, PyObject *row)
{
	Py_ssize_t	length;

	if (PyDict_Check(row))
		return true;
	if (!PyTuple_Check(row) && !PyList_Check(row) && PyMapping_Check(row) &&
		PyObject_HasAttrString(row, "keys"))
		return true;
	if (!PySequence_Check(row) || PyUnicode_Check(row) || PyBytes_Check(row))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("a row of foreign table \"%s\" must be a mapping or a sequence, not %s",
						converter->table, Py_TYPE(row)->tp_name)));
	length = PySequence_Size(row);
	if (length < 0)
		py_throw();
	if (length < converter->sequence_length)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("a row of foreign table \"%s\" has %zd values, but the table has %d columns",
						converter->table, length, converter->sequence_length)));
	return false;
}

/*
 * Store a row in a slot. Columns that the converter is not for are NULL.
 */
void
row_to_slot(RowConverter *converter, PyObject *row, TupleTableSlot *slot)
{
	bool		is_mapping = row_is_mapping(converter, row);
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = add_error_context,
		.arg = converter,
	};

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	error_context_stack = &context;
	for (int i = 0; i < converter->count; i++)
	{
		ColumnConverter *column = &converter->columns[i];
		int			mark = py_pool_mark();
		PyObject   *item;

		converter->current = column;
		item = row_item(converter, row, i, is_mapping);
		if (item == NULL)
			continue;
		py_own(item);
		if (item != Py_None)
		{
			slot->tts_values[column->attno - 1] = convert_value(&column->converter, item);
			slot->tts_isnull[column->attno - 1] = false;
		}
		py_pool_release(mark);
	}
	converter->current = NULL;
	error_context_stack = context.previous;
	ExecStoreVirtualTuple(slot);
}

/*
 * The dict of a slot's columns.
 */
PyObject *
slot_to_python(RowConverter *converter, TupleTableSlot *slot)
{
	PyObject   *dict = py_own(PyDict_New());

	slot_getallattrs(slot);
	for (int i = 0; i < converter->count; i++)
	{
		ColumnConverter *column = &converter->columns[i];
		int			mark = py_pool_mark();
		PyObject   *item = Py_None;

		if (!slot->tts_isnull[column->attno - 1])
			item = datum_to_python(slot->tts_values[column->attno - 1],
								   column->converter.type, false);
		if (PyDict_SetItem(dict, PyTuple_GET_ITEM(converter->names.object, i), item) < 0)
			py_throw();
		py_pool_release(mark);
	}
	return dict;
}
