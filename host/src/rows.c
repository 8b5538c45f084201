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
	PyHolder	names;			/* a list, of the columns' names */
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
	PyObject   *names = py_own(PyList_New(0));

	result->table = pstrdup(RelationGetRelationName(relation));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		ColumnConverter *column;
		PyObject   *name;
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

		/* Interned, it is most often the same object as the key in the wrapper's dict. */
		name = Py_NewRef(server_string_to_python(column->name));
		PyUnicode_InternInPlace(&name);
		py_append(names, py_own(name));
	}
	py_holder_init(&result->names, CurrentMemoryContext);
	py_holder_set(&result->names, names);
	return result;
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
 * The row itself, if it is one that row_item() can read; otherwise multicorn/_values.py makes one
 * of it, or refuses it.
 */
static PyObject *
readable_row(RowConverter *converter, PyObject *row)
{
	if (PyDict_CheckExact(row) ||
		((PyTuple_Check(row) || PyList_Check(row)) &&
		 Py_SIZE(row) >= converter->sequence_length))
		return row;
	return py_call(py_host, "plain_row", "(OOiO)", row, converter->names.object,
				   converter->sequence_length, server_string_to_python(converter->table));
}

/*
 * A column's value in a row, None if there is none.
 */
static PyObject *
row_item(RowConverter *converter, PyObject *row, int i)
{
	PyObject   *item;

	if (!PyDict_CheckExact(row))
		return py_own(PySequence_GetItem(row, converter->columns[i].position));
	item = PyDict_GetItemWithError(row, PyList_GET_ITEM(converter->names.object, i));
	if (item == NULL)
	{
		if (PyErr_Occurred())
			py_throw();
		return Py_None;
	}
	/* Owned, too: converting it may run code that takes it out of the row. */
	return py_own(Py_NewRef(item));
}

/*
 * Store a row in a slot. Columns that the converter is not for are NULL.
 */
void
row_to_slot(RowConverter *converter, PyObject *row, TupleTableSlot *slot)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = add_error_context,
		.arg = converter,
	};

	row = readable_row(converter, row);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	error_context_stack = &context;
	for (int i = 0; i < converter->count; i++)
	{
		ColumnConverter *column = &converter->columns[i];
		int			mark = py_pool_mark();
		PyObject   *item;

		converter->current = column;
		item = row_item(converter, row, i);
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
		if (PyDict_SetItem(dict, PyList_GET_ITEM(converter->names.object, i), item) < 0)
			py_throw();
		py_pool_release(mark);
	}
	return dict;
}
