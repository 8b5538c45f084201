/*
 * A look-up that gets the keys of several rows at once, as one list.
 *
 * Keys that agree in all columns but the last make a group, or several if they are more than a list
 * may have. There is one scan for each group, with a list of the values of the last column
 * (key_scans.c). It is read as far as somebody wants its rows, and what it gives is kept by the hash
 * of the key until the next batch: in memory, and beyond work_mem in a file. A hash is only a filter:
 * the scan's node checks every condition on each row that is handed out.
 */
#include "key_lists.h"

#include "common/hashfn.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

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
	lists->groups = lists->last_group = lists->to_start = NULL;
	lists->then = NULL;
	lists->started = 0;
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

/*
 * Tell whether the rows of the next batch are found in the whole table, instead of by lists.
 */
void
key_lists_read_all(KeyLists *lists, bool read_all)
{
	lists->read_all = read_all;
}

/*
 * How many keys lists ask for.
 */
int
key_lists_count(KeyLists *lists)
{
	return lists->count;
}

/*
 * The rows that stand for the cost of a list with so many keys, of at most so many.
 */
double
rows_of_list(double keys, int most, double rows_of_one, double rows_of_most)
{
	return rows_of_one + (rows_of_most - rows_of_one) * Max(0, keys - 1) / (most - 1);
}

/*
 * The rows that stand for the cost of a batch's lists, from those for a list of one key and of the
 * most.
 */
double
key_lists_cost(KeyLists *lists, double rows_of_one, double rows_of_most)
{
	double		result = 0;

	for (KeyGroup *group = lists->groups; group != NULL; group = group->next)
		result += rows_of_list(group->count, lists->most, rows_of_one, rows_of_most);
	return result;
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
	if (lists->last_group != NULL)
		lists->last_group->next = group;
	else
		lists->groups = group;
	lists->last_group = group;
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

	if (lists->read_all)
		return lists->groups != NULL ? lists->groups : new_group(lists, values);
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

/*
 * Have the wrapper begin with the scans of a batch. Their rows are wanted in the order of the groups,
 * since the first row of a group has all of its scan read.
 *
 * "certain" is whether all groups have their turn, which they have not if the query ends before.
 * "before" are those of the batch that is read before this one, if its scans were started too.
 */
void
key_lists_start(KeyLists *lists, bool certain, KeyLists *before)
{
	lists->to_start = lists->groups;
	lists->certain = certain;
	if (before != NULL)
		before->then = lists;
	start_groups(before != NULL ? before : lists);
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
