/*
 * A look-up that gets the keys of several rows at once, as one list.
 *
 * Keys that agree in all columns but the last make a group, or several if they are more than a list
 * may have. There is one scan for each group, with a list of the values of the last column. It is read as far as somebody wants its rows, and what
 * it gives is kept by the hash of the key until the next batch: in memory, and beyond work_mem in a
 * file. A hash is only a filter: the scan's node checks every condition on each row that is handed
 * out.
 */
#include "multicorn.h"

#include "access/sysattr.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* A column of the key that has its values from the rows of the other table. */
typedef struct KeyColumn
{
	ScanQual   *qual;
	FmgrInfo	column_hash;
	FmgrInfo	value_hash;
	int16		length;			/* of a value's type */
	bool		by_value;
} KeyColumn;

/* The rows of the keys with one hash. */
typedef struct KeyRows
{
	uint32		hash;
	KeptRow    *first;
	KeptRow    *last;
} KeyRows;

typedef struct KeyGroup
{
	struct KeyGroup *next;
	Datum	   *leading;		/* the values of all key columns but the last */
	int			count;
	Datum	   *values;			/* of the last, each once */
	uint32	   *hashes;			/* of the whole key */
	HTAB	   *rows;			/* of KeyRows */
	PyHolder	iterator;
	bool		finished;
} KeyGroup;

struct KeyLists
{
	ForeignScanState *node;
	List	   *fixed;			/* of ScanQual: those that are the same for all rows of a batch */
	int			columns;
	KeyColumn  *column;
	MemoryContext context;		/* of a batch */
	MemoryContext row_context;	/* of a row that is being read */
	TupleTableSlot *slot;		/* for rows that were kept */
	KeptRows	store;
	KeyGroup   *groups;
	int			most;			/* keys of a group */
	int			count;			/* of keys */
	KeyPlace   *place;			/* of the row that is joined; NULL: it is looked up alone */
	KeptRow    *handed_out;		/* the last one for it */
};

/*
 * The hash functions of an equality's two sides, which go together. False if it has none.
 */
bool
key_hash_functions(Oid operator, Oid type, Oid *of_column, Oid *of_value)
{
	RegProcedure left;
	RegProcedure right;

	if (!OidIsValid(operator) || !op_hashjoinable(operator, type) ||
		!get_op_hash_functions(operator, &left, &right))
		return false;
	if (of_column != NULL)
	{
		*of_column = left;
		*of_value = right;
	}
	return true;
}

static bool
has_param_of(Node *node, void *params)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXEC &&
			bms_is_member(((Param *) node)->paramid, params);
	return expression_tree_walker(node, has_param_of, params);
}

static bool
prepare_column(KeyColumn *column, ScanQual *qual, Oid type)
{
	Oid			of_column;
	Oid			of_value;

	if (!key_hash_functions(qual->opno, type, &of_column, &of_value))
		return false;
	column->qual = qual;
	fmgr_info(of_column, &column->column_hash);
	fmgr_info(of_value, &column->value_hash);
	get_typlenbyval(exprType((Node *) qual->value), &column->length, &column->by_value);
	return true;
}

/*
 * Prepare a scan to get the keys of several rows, "attnums", from the parameters that a join sets
 * for each row. NULL if its quals do not allow it; then each row is looked up alone.
 */
KeyLists *
key_lists_begin(ForeignScanState *node, List *quals, List *attnums, Bitmapset *params)
{
	TupleDesc	desc = RelationGetDescr(node->ss.ss_currentRelation);
	KeyLists   *lists = palloc0(sizeof(KeyLists));
	bool		has_last = false;
	ListCell   *lc;
	ListCell   *lc2;

	lists->node = node;
	lists->column = palloc0(list_length(attnums) * sizeof(KeyColumn));
	foreach(lc, attnums)
	{
		AttrNumber	attno = lfirst_int(lc);

		has_last = false;
		foreach(lc2, quals)
		{
			ScanQual   *qual = lfirst(lc2);

			if (qual->attno == attno && is_equality(qual) &&
				has_param_of((Node *) qual->value, params))
			{
				if (!prepare_column(&lists->column[lists->columns], qual,
									TupleDescAttr(desc, attno - 1)->atttypid))
					return NULL;
				lists->columns++;
				has_last = true;
				break;
			}
		}
	}
	if (!has_last)
		return NULL;
	foreach(lc, quals)
	{
		ScanQual   *qual = lfirst(lc);

		if (!has_param_of((Node *) qual->value, params))
			lists->fixed = lappend(lists->fixed, qual);
	}
	lists->context = AllocSetContextCreate(CurrentMemoryContext, "multicorn batch",
										   ALLOCSET_DEFAULT_SIZES);
	lists->row_context = AllocSetContextCreate(CurrentMemoryContext, "multicorn batch row",
											   ALLOCSET_DEFAULT_SIZES);
	lists->store.context = lists->context;
	lists->slot = ExecInitExtraTupleSlot(node->ss.ps.state, desc, &TTSOpsMinimalTuple);
	return lists;
}

/*
 * Forget a batch, and end its scans.
 */
void
key_lists_reset(KeyLists *lists)
{
	ExecClearTuple(lists->slot);
	PY_BEGIN();
	{
		for (KeyGroup *group = lists->groups; group != NULL; group = group->next)
			py_holder_set(&group->iterator, NULL);
	}
	PY_END();
	kept_rows_close(&lists->store);
	lists->groups = NULL;
	lists->count = 0;
	lists->place = NULL;
	lists->handed_out = NULL;
	MemoryContextReset(lists->context);
}

/*
 * Tell how many keys a list may have.
 */
void
key_lists_limit(KeyLists *lists, int most)
{
	lists->most = most;
}

int
key_lists_count(KeyLists *lists)
{
	return lists->count;
}

static bool
same_leading_values(KeyLists *lists, KeyGroup *group, Datum *values)
{
	for (int i = 0; i < lists->columns - 1; i++)
		if (!datum_image_eq(group->leading[i], values[i], lists->column[i].by_value,
							lists->column[i].length))
			return false;
	return true;
}

static bool
has_value(KeyLists *lists, KeyGroup *group, Datum value, uint32 hash)
{
	KeyColumn  *last = &lists->column[lists->columns - 1];

	for (int i = 0; i < group->count; i++)
		if (group->hashes[i] == hash &&
			datum_image_eq(group->values[i], value, last->by_value, last->length))
			return true;
	return false;
}

static KeyGroup *
new_group(KeyLists *lists, Datum *values)
{
	int			leading = lists->columns - 1;
	KeyGroup   *group = palloc0(sizeof(KeyGroup));
	HASHCTL		control = {
		.keysize = sizeof(uint32),
		.entrysize = sizeof(KeyRows),
		.hcxt = lists->context,
	};

	group->leading = palloc(leading * sizeof(Datum));
	for (int i = 0; i < leading; i++)
		group->leading[i] = datumCopy(values[i], lists->column[i].by_value,
									  lists->column[i].length);
	group->values = palloc(lists->most * sizeof(Datum));
	group->hashes = palloc(lists->most * sizeof(uint32));
	group->rows = hash_create("multicorn keys", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	py_holder_init(&group->iterator, lists->context);
	group->next = lists->groups;
	lists->groups = group;
	return group;
}

/*
 * The group that asks for a key: one that has it, one that has room for it, or a new one.
 */
static KeyGroup *
group_of(KeyLists *lists, Datum *values, uint32 hash)
{
	Datum		value = values[lists->columns - 1];
	KeyColumn  *last = &lists->column[lists->columns - 1];
	KeyGroup   *with_room = NULL;

	for (KeyGroup *group = lists->groups; group != NULL; group = group->next)
	{
		if (!same_leading_values(lists, group, values))
			continue;
		if (has_value(lists, group, value, hash))
			return group;
		if (group->count < lists->most)
			with_room = group;
	}
	if (with_room == NULL)
		with_room = new_group(lists, values);
	with_room->values[with_room->count] = datumCopy(value, last->by_value, last->length);
	with_room->hashes[with_room->count] = hash;
	with_room->count++;
	lists->count++;
	return with_room;
}

/*
 * Add the key that the join's parameters make now, and tell where its rows will be.
 */
void
key_lists_add(KeyLists *lists, KeyPlace *place)
{
	ExprContext *econtext = lists->node->ss.ps.ps_ExprContext;
	MemoryContext before;
	Datum	   *values;
	uint32		hash = 0;
	bool		found;

	place->group = NULL;
	ResetExprContext(econtext);
	before = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	values = palloc(lists->columns * sizeof(Datum));
	for (int i = 0; i < lists->columns; i++)
	{
		KeyColumn  *column = &lists->column[i];
		bool		isnull;

		values[i] = ExecEvalExpr(column->qual->state, econtext, &isnull);
		if (isnull)
		{
			MemoryContextSwitchTo(before);
			return;
		}
		hash = hash_combine(hash, DatumGetUInt32(FunctionCall1Coll(&column->value_hash,
																   column->qual->opcollation,
																   values[i])));
	}
	MemoryContextSwitchTo(lists->context);
	place->group = group_of(lists, values, hash);
	place->rows = hash_search(place->group->rows, &hash, HASH_ENTER, &found);
	if (!found)
		place->rows->first = place->rows->last = NULL;
	MemoryContextSwitchTo(before);
}

/*
 * Tell which row of the batch is joined from now on; NULL for one that is looked up alone.
 */
void
key_lists_set(KeyLists *lists, KeyPlace *place)
{
	lists->place = place;
	lists->handed_out = NULL;
}

bool
key_lists_in_use(KeyLists *lists)
{
	return lists->place != NULL;
}

void
key_lists_rewind(KeyLists *lists)
{
	lists->handed_out = NULL;
}

static PyObject *
scalar_qual(ScanQual *qual, Datum value)
{
	return qual_to_python(qual, qual_value_to_python(qual, value, false),
						  qual_instant_to_python(qual, value, false));
}

static PyObject *
list_qual(ScanQual *qual, KeyGroup *group)
{
	ScanQual	any = *qual;
	PyObject   *values = py_own(PyList_New(0));
	PyObject   *instants = qual->timed ? py_own(PyList_New(0)) : Py_None;

	any.is_array = any.use_or = true;
	for (int i = 0; i < group->count; i++)
	{
		py_append(values, qual_value_to_python(qual, group->values[i], false));
		if (qual->timed)
			py_append(instants, qual_instant_to_python(qual, group->values[i], false));
	}
	return qual_to_python(&any, values, instants);
}

/*
 * The quals of a group's scan. None if one that all have in common can be satisfied by no row.
 */
static PyObject *
group_quals(KeyLists *lists, KeyGroup *group)
{
	PyObject   *quals = current_quals(lists->node, lists->fixed, false);

	if (quals == Py_None)
		return quals;
	for (int i = 0; i < lists->columns; i++)
	{
		ScanQual   *qual = lists->column[i].qual;

		if (i < lists->columns - 1)
			py_append(quals, scalar_qual(qual, group->leading[i]));
		else if (group->count == 1)
			py_append(quals, scalar_qual(qual, group->values[0]));
		else
			py_append(quals, list_qual(qual, group));
	}
	return quals;
}

/*
 * The quals of a list for EXPLAIN, with something in place of each key.
 */
PyObject *
key_lists_explained(KeyLists *lists)
{
	PyObject   *quals = current_quals(lists->node, lists->fixed, true);

	for (int i = 0; i < lists->columns; i++)
	{
		ScanQual	qual = *lists->column[i].qual;
		PyObject   *value = placeholder_to_python(exprType((Node *) qual.value));

		if (i == lists->columns - 1)
		{
			PyObject   *list = py_own(PyList_New(0));

			py_append(list, value);
			value = list;
			qual.is_array = qual.use_or = true;
		}
		py_append(quals, qual_to_python(&qual, value, Py_None));
	}
	return quals;
}

/*
 * Read one more row of a group's scan. Keep it, if it has one of the keys.
 */
static void
read_row(KeyLists *lists, KeyGroup *group)
{
	TupleTableSlot *slot = lists->node->ss.ss_ScanTupleSlot;
	MemoryContext before;
	uint32		hash = 0;
	KeyRows    *rows;
	KeptRow    *kept;

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(lists->row_context);
	before = MemoryContextSwitchTo(lists->row_context);
	PY_BEGIN();
	{
		if (group->iterator.object == NULL)
			py_holder_set(&group->iterator, start_scan(lists->node, group_quals(lists, group)));
		group->finished = !next_row(lists->node, &group->iterator, slot);
	}
	PY_END();

	if (!group->finished)
	{
		bool		has_key = true;

		for (int i = 0; i < lists->columns && has_key; i++)
		{
			KeyColumn  *column = &lists->column[i];
			bool		isnull;
			Datum		value = slot_getattr(slot, column->qual->attno, &isnull);

			has_key = !isnull;
			if (has_key)
				hash = hash_combine(hash, DatumGetUInt32(FunctionCall1Coll(&column->column_hash,
																		   column->qual->opcollation,
																		   value)));
		}
		rows = has_key ? hash_search(group->rows, &hash, HASH_FIND, NULL) : NULL;
		if (rows != NULL)
		{
			kept = keep_row(&lists->store, slot);
			if (rows->last != NULL)
				rows->last->next = kept;
			else
				rows->first = kept;
			rows->last = kept;
		}
	}
	MemoryContextSwitchTo(before);
	ExecClearTuple(slot);
}

/*
 * The next row for the row that is joined, of those that were kept, or of those still to be read.
 */
TupleTableSlot *
key_lists_next(KeyLists *lists)
{
	KeyPlace   *place = lists->place;
	KeptRow    *row;

	ExecClearTuple(lists->slot);
	if (place->group == NULL)
		return lists->slot;
	for (;;)
	{
		row = lists->handed_out == NULL ? place->rows->first : lists->handed_out->next;
		if (row != NULL || place->group->finished)
			break;
		read_row(lists, place->group);
	}
	if (row == NULL)
		return lists->slot;
	lists->handed_out = row;
	return kept_row_to_slot(&lists->store, row, lists->slot);
}
