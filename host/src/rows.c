/*
 * Whole rows, from Python and to it.
 */
#include "multicorn.h"

#include "access/sysattr.h"
#include "catalog/heap.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct ColumnConverter
{
	Converter	converter;
	AttrNumber	attno;
	int			position;		/* in a row given as a sequence; -1 if it is not there */
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

static void
add_column(RowConverter *converter, PyObject *names, const FormData_pg_attribute *attribute,
		   int position)
{
	ColumnConverter *column = &converter->columns[converter->count++];
	PyObject   *name;

	column->attno = attribute->attnum;
	column->position = position;
	column->name = pstrdup(NameStr(attribute->attname));
	column->converter.type = attribute->atttypid;
	column->converter.typmod = attribute->atttypmod;
	column->converter.ndims = attribute->attndims;
	column->converter.context = CurrentMemoryContext;

	/* Interned, it is most often the same object as the key in the wrapper's dict. */
	name = Py_NewRef(server_string_to_python(column->name));
	PyUnicode_InternInPlace(&name);
	py_append(names, py_own(name));
}

/*
 * Prepare to convert rows of a table, or some of its columns (attribute numbers); and their ctid.
 * The converter lives as long as the current memory context.
 */
RowConverter *
row_converter(Relation relation, Bitmapset *columns, bool with_ctid)
{
	TupleDesc	desc = RelationGetDescr(relation);
	RowConverter *result = palloc0(offsetof(RowConverter, columns) +
								   (desc->natts + 1) * sizeof(ColumnConverter));
	PyObject   *names = py_own(PyList_New(0));

	result->table = pstrdup(RelationGetRelationName(relation));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		int			position;

		if (attribute->attisdropped)
			continue;
		position = result->sequence_length++;
		if (columns == NULL || bms_is_member(attribute->attnum, columns))
			add_column(result, names, attribute, position);
	}
	if (with_ctid)
		add_column(result, names,
				   SystemAttributeDefinition(SelfItemPointerAttributeNumber), -1);
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
	{
		int			position = converter->columns[i].position;

		return position < 0 ? Py_None : py_own(PySequence_GetItem(row, position));
	}
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
 * Store a row in a slot. Columns that the converter is not for are NULL. The slot's ctid is not
 * valid if the row has none.
 */
void
row_to_slot(RowConverter *converter, PyObject *row, TupleTableSlot *slot)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = add_error_context,
		.arg = converter,
	};
	ItemPointerData ctid;

	ItemPointerSetInvalid(&ctid);
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
		if (item != Py_None && column->attno == SelfItemPointerAttributeNumber)
			ItemPointerCopy((ItemPointer) DatumGetPointer(convert_value(&column->converter, item)), &ctid);
		else if (item != Py_None)
		{
			slot->tts_values[column->attno - 1] = convert_value(&column->converter, item);
			slot->tts_isnull[column->attno - 1] = false;
		}
		py_pool_release(mark);
	}
	converter->current = NULL;
	error_context_stack = context.previous;
	ExecStoreVirtualTuple(slot);
	slot->tts_tid = ctid;
}

/*
 * The dict of a slot's columns, without its ctid.
 */
PyObject *
slot_to_python(RowConverter *converter, TupleTableSlot *slot)
{
	PyObject   *dict = py_own(PyDict_New());

	slot_getallattrs(slot);
	for (int i = 0; i < converter->count; i++)
	{
		ColumnConverter *column = &converter->columns[i];
		PyObject   *item = Py_None;
		int			mark;

		if (column->attno < 0)
			continue;
		mark = py_pool_mark();
		if (!slot->tts_isnull[column->attno - 1])
			item = datum_to_python(slot->tts_values[column->attno - 1],
								   column->converter.type, false);
		if (PyDict_SetItem(dict, PyList_GET_ITEM(converter->names.object, i), item) < 0)
			py_throw();
		py_pool_release(mark);
	}
	return dict;
}

/*
 * One that is not valid would be the same for several rows.
 */
void
throw_no_ctid(Relation relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("a row of foreign table \"%s\" has no valid ctid",
					RelationGetRelationName(relation)),
			 errhint("Use the columns that identify a row instead of its ctid.")));
}
