/*
 * The node that reads the rows of a join's outer side in batches, see batched_join.c.
 *
 * It hands on each row as it is. When it has read a batch, the look-up on the join's other side
 * knows the keys of all of its rows.
 */
#include "multicorn.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/nodeCustom.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "utils/memutils.h"

typedef struct BatchRow
{
	MinimalTuple tuple;
	KeyPlace	place;
} BatchRow;

typedef struct Batch
{
	KeyLists   *lists;
	MemoryContext context;
	BatchRow   *rows;
	int			count;
	int			capacity;
	int			next;
	bool		started;		/* its look-ups begin together */
} Batch;

typedef struct Batches
{
	CustomScanState custom;
	int			most;			/* a batch ends with so many keys, */
	int			size;			/* or with so many, for now; */
	int			growth;			/* the next batch has so many times more */
	double		rows_of_one;	/* that stand for the cost of a list of one key, */
	double		rows_of_most;	/* of one of the most keys, */
	double		rows_of_whole;	/* of the whole table, */
	double		rows_spent;		/* and of the lists that were asked for */
	List	   *params;			/* of NestLoopParam: what the join sets for each row */
	ForeignScanState *lookup;
	bool		may_stop;		/* whether rows of the child may be left unread */
	bool		start;			/* whether the look-ups of a batch begin together */
	Batch	   *batch;			/* whose rows are handed on; NULL: they are looked up one by one */
	Batch	   *following;		/* one that is read while they are; NULL if none is */
	bool		exhausted;
	TupleTableSlot *stored;
	int64		begun;			/* batches, */
	int64		whole;			/* of which so many read the whole table */
} Batches;

static ExecutorStart_hook_type next_start = NULL;

/* Whether such a node was made since its statement began: then it has to be connected. */
static bool made = false;

static void
begin_batches(CustomScanState *node, EState *estate, int eflags)
{
	Batches    *batches = (Batches *) node;
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	List	   *sizes = linitial(plan->custom_private);
	List	   *costs = lfourth(plan->custom_private);

	node->custom_ps = list_make1(ExecInitNode(linitial(plan->custom_plans), estate, eflags));
	batches->most = lsecond_int(sizes);
	batches->size = lthird_int(sizes);
	batches->growth = lfourth_int(sizes);
	batches->may_stop = intVal(lthird(plan->custom_private));
	batches->rows_of_one = floatVal(linitial(costs));
	batches->rows_of_most = floatVal(lsecond(costs));
	batches->rows_of_whole = floatVal(lthird(costs));
	made = true;
}

static PlanState *
child_of(Batches *batches)
{
	return linitial(batches->custom.custom_ps);
}

/*
 * The next row of the child, as this node hands it on.
 */
static TupleTableSlot *
read_outer_row(Batches *batches)
{
	ScanState  *scan = &batches->custom.ss;
	TupleTableSlot *slot = scan->ss_ScanTupleSlot;
	TupleTableSlot *row = ExecProcNode(child_of(batches));

	ExecClearTuple(slot);
	if (TupIsNull(row))
	{
		if (scan->ps.ps_ProjInfo != NULL)
			return ExecClearTuple(scan->ps.ps_ResultTupleSlot);
		return slot;
	}
	slot_getallattrs(row);
	memcpy(slot->tts_values, row->tts_values, slot->tts_tupleDescriptor->natts * sizeof(Datum));
	memcpy(slot->tts_isnull, row->tts_isnull, slot->tts_tupleDescriptor->natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	if (scan->ps.ps_ProjInfo == NULL)
		return slot;
	ResetExprContext(scan->ps.ps_ExprContext);
	scan->ps.ps_ExprContext->ecxt_scantuple = slot;
	return ExecProject(scan->ps.ps_ProjInfo);
}

/*
 * Set the join's parameters, as the join itself does before it looks up a row.
 */
static void
set_params(Batches *batches, TupleTableSlot *slot)
{
	ParamExecData *values = batches->custom.ss.ps.state->es_param_exec_vals;
	ListCell   *lc;

	foreach(lc, batches->params)
	{
		NestLoopParam *param = lfirst(lc);
		ParamExecData *value = &values[param->paramno];

		value->execPlan = NULL;
		value->value = slot_getattr(slot, param->paramval->varattno, &value->isnull);
	}
}

static void
forget_batch(Batch *batch)
{
	key_lists_reset(batch->lists);
	batch->rows = NULL;
	batch->count = batch->capacity = batch->next = 0;
	batch->started = false;
	MemoryContextReset(batch->context);
}

static void
forget_batches(Batches *batches)
{
	if (batches->batch != NULL)
		forget_batch(batches->batch);
	if (batches->following != NULL)
		forget_batch(batches->following);
}

static void
keep_outer_row(Batch *batch, TupleTableSlot *slot)
{
	MemoryContext before = MemoryContextSwitchTo(batch->context);
	BatchRow   *row;

	if (batch->rows == NULL)
	{
		batch->capacity = 64;
		batch->rows = palloc(batch->capacity * sizeof(BatchRow));
	}
	else if (batch->count == batch->capacity)
	{
		batch->capacity *= 2;
		batch->rows = repalloc_huge(batch->rows, batch->capacity * sizeof(BatchRow));
	}
	row = &batch->rows[batch->count++];
	row->tuple = ExecCopySlotMinimalTuple(slot);
	MemoryContextSwitchTo(before);
	key_lists_add(batch->lists, &row->place);
}

/*
 * Read a batch. Once lists have cost as much as the whole table would, there were far more keys than
 * the planner thought: then the whole table is read, for as many rows as memory holds.
 */
static void
read_batch(Batches *batches, Batch *batch)
{
	Size		limit = work_mem * (Size) 1024;
	bool		whole = batches->rows_spent >= batches->rows_of_whole;

	if (batches->following != NULL)
		limit /= 2;
	key_lists_read_all(batch->lists, whole);
	while (!batches->exhausted &&
		   key_lists_count(batch->lists) < batches->size &&
		   MemoryContextMemAllocated(batch->context, false) < limit)
	{
		TupleTableSlot *slot;

		CHECK_FOR_INTERRUPTS();
		slot = read_outer_row(batches);
		if (TupIsNull(slot))
			batches->exhausted = true;
		else
		{
			set_params(batches, slot);
			keep_outer_row(batch, slot);
		}
	}
	batches->size = Min(batches->most, batches->size * batches->growth);
	if (batch->count == 0)
		return;
	batches->begun++;
	if (whole)
	{
		/* If memory ends the batch before the rows do, lists have to cost as much once more. */
		batches->rows_spent = 0;
		batches->whole++;
	}
	else
		batches->rows_spent += key_lists_cost(batch->lists, batches->rows_of_one,
											  batches->rows_of_most);
	batch->started = batches->start && (batch->count > 1 || batches->following != NULL);
	if (batch->started)
		key_lists_start(batch->lists, !batches->may_stop,
						batch == batches->following ? batches->batch->lists : NULL);
}

/*
 * Go on to the next batch. If all rows will be wanted, the one after it is read as well, so that its
 * look-ups begin before those of the next one are over.
 */
static void
next_batch(Batches *batches)
{
	forget_batch(batches->batch);
	if (batches->following != NULL)
	{
		Batch	   *read = batches->following;

		batches->following = batches->batch;
		batches->batch = read;
	}
	if (batches->batch->count == 0)
		read_batch(batches, batches->batch);
	if (batches->following != NULL)
		read_batch(batches, batches->following);
	scan_uses_lists(batches->lookup, batches->batch->lists);
}

/*
 * Hand on a row that was kept, and tell the look-up.
 */
static TupleTableSlot *
hand_on(Batches *batches, Batch *batch)
{
	BatchRow   *row = &batch->rows[batch->next++];
	ScanState  *scan = &batches->custom.ss;
	TupleTableSlot *slot = scan->ps.ps_ProjInfo != NULL ? scan->ps.ps_ResultTupleSlot :
		scan->ss_ScanTupleSlot;

	/* The join expects the kind of slot that this node has, whose values can be taken at once. */
	ExecStoreMinimalTuple(row->tuple, batches->stored, false);
	slot_getallattrs(batches->stored);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, batches->stored->tts_values,
		   slot->tts_tupleDescriptor->natts * sizeof(Datum));
	memcpy(slot->tts_isnull, batches->stored->tts_isnull,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	/* A single row is looked up as without batches; then nothing need be kept. */
	key_lists_set(batch->lists, batch->count == 1 && !batch->started ? NULL : &row->place);
	return slot;
}

static TupleTableSlot *
next_outer_row(CustomScanState *node)
{
	Batches    *batches = (Batches *) node;

	if (batches->batch == NULL)
		return read_outer_row(batches);
	if (batches->batch->next == batches->batch->count)
		next_batch(batches);
	if (batches->batch->next == batches->batch->count)
		return NULL;
	return hand_on(batches, batches->batch);
}

static void
rescan_batches(CustomScanState *node)
{
	Batches    *batches = (Batches *) node;
	PlanState  *child = child_of(batches);

	forget_batches(batches);
	batches->exhausted = false;
	batches->rows_spent = 0;
	if (node->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(child, node->ss.ps.chgParam);
	/* Otherwise it is done when the child is next asked for a row. */
	if (child->chgParam == NULL)
		ExecReScan(child);
}

static void
end_batches(CustomScanState *node)
{
	forget_batches((Batches *) node);
	ExecEndNode(child_of((Batches *) node));
}

static void
explain_batches(CustomScanState *node, List *ancestors pg_attribute_unused(), ExplainState *es)
{
	Batches    *batches = (Batches *) node;
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, lsecond(castNode(CustomScan, node->ss.ps.plan)->custom_private))
		names = lappend(names, strVal(lfirst(lc)));
	ExplainPropertyList("Keys", names, es);
	if (es->analyze)
	{
		ExplainPropertyInteger("Batches", NULL, batches->begun, es);
		if (batches->whole > 0)
			ExplainPropertyInteger("Batches of Whole Table", NULL, batches->whole, es);
	}
}

static const CustomExecMethods exec_methods = {
	.CustomName = BATCHES_NAME,
	.BeginCustomScan = begin_batches,
	.ExecCustomScan = next_outer_row,
	.EndCustomScan = end_batches,
	.ReScanCustomScan = rescan_batches,
	.ExplainCustomScan = explain_batches,
};

static Node *
create_batches(CustomScan *plan pg_attribute_unused())
{
	Batches    *batches = (Batches *) newNode(sizeof(Batches), T_CustomScanState);

	batches->custom.methods = &exec_methods;
	return (Node *) batches;
}

const CustomScanMethods batches_scan_methods = {
	.CustomName = BATCHES_NAME,
	.CreateCustomScanState = create_batches,
};

/*
 * A batch with room for rows. NULL if the look-up takes no lists.
 */
static Batch *
make_batch(Batches *batches, Bitmapset *params)
{
	CustomScan *plan = castNode(CustomScan, batches->custom.ss.ps.plan);
	KeyLists   *lists = scan_in_lists(batches->lookup, params);
	Batch	   *batch;

	if (lists == NULL)
		return NULL;
	key_lists_limit(lists, linitial_int(linitial(plan->custom_private)));
	batch = palloc0(sizeof(Batch));
	batch->lists = lists;
	batch->context = AllocSetContextCreate(CurrentMemoryContext, "multicorn batch of outer rows",
										   ALLOCSET_DEFAULT_SIZES);
	return batch;
}

/*
 * Connect the node with the join above it, and with the look-up on the join's other side. "start" is
 * whether look-ups may begin before their turn.
 */
static void
connect_batches(Batches *batches, NestLoopState *join, ForeignScanState *lookup, bool start)
{
	Bitmapset  *params = NULL;
	ListCell   *lc;

	batches->params = castNode(NestLoop, join->js.ps.plan)->nestParams;
	foreach(lc, batches->params)
		params = bms_add_member(params, lfirst_node(NestLoopParam, lc)->paramno);
	batches->lookup = lookup;
	batches->batch = make_batch(batches, params);
	if (batches->batch == NULL)
		return;
	batches->start = start && scan_takes_turns(lookup);
	if (batches->start && !batches->may_stop)
		batches->following = make_batch(batches, params);
	batches->stored = ExecInitExtraTupleSlot(join->js.ps.state,
											 ExecGetResultType(&batches->custom.ss.ps),
											 &TTSOpsMinimalTuple);
}

/*
 * The node that reads batches, if it is one.
 */
static Batches *
as_batches(PlanState *state)
{
	if (IsA(state, CustomScanState) && ((CustomScanState *) state)->methods == &exec_methods)
		return (Batches *) state;
	return NULL;
}

/*
 * What a node that reads batches has its rows from; NULL if it is another one.
 */
PlanState *
source_of_batches(PlanState *state)
{
	Batches    *batches = as_batches(state);

	return batches == NULL ? NULL : child_of(batches);
}

static bool
connect_joins(PlanState *state, void *context)
{
	bool	   *may_start = context;

	if (IsA(state, NestLoopState) && as_batches(outerPlanState(state)) != NULL)
	{
		Batches    *batches = as_batches(outerPlanState(state));
		PlanState  *inner = innerPlanState(state);
		bool		sure = *may_start;

		/* One that computes columns, or checks a condition before it reads anything. */
		while (inner != NULL && IsA(inner, ResultState))
		{
			sure = sure && ((ResultState *) inner)->resconstantqual == NULL;
			inner = outerPlanState(inner);
		}
		if (inner != NULL && IsA(inner, ForeignScanState))
			connect_batches(batches, castNode(NestLoopState, state),
							castNode(ForeignScanState, inner), sure);
	}
	return planstate_tree_walker(state, connect_joins, context);
}

static void
after_start(QueryDesc *query, int eflags)
{
	made = false;
	if (next_start != NULL)
		next_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
	if (made)
	{
		MemoryContext before = MemoryContextSwitchTo(query->estate->es_query_cxt);
		bool		may_start = may_start_scans(query->planstate);

		connect_joins(query->planstate, &may_start);
		MemoryContextSwitchTo(before);
	}
}

void
batches_init(void)
{
	RegisterCustomScanMethods(&batches_scan_methods);
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = after_start;
}
