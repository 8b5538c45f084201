/*
 * Scans that start together. The executor runs one scan after another: the four of a UNION ALL, or
 * the subqueries of a row of counts. Where a wrapper waits for answers from afar, each of them waits
 * anew. So the wrapper is told of the scans that are sure to be read before the first of them is.
 *
 * Sure means: whatever the rows turn out to be, if nothing fails. No scan is started that the
 * executor might pass over, since it would cost a request for nothing. So this goes by what each
 * node of the executor does with its inputs. Nodes that are not named here are not looked into.
 */
#include "multicorn.h"

#include "executor/execdesc.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "utils/guc.h"

/* As many scans are started ahead: each of them holds an answer until its turn comes. */
#define MOST 32

static bool start_together = true;
static ExecutorRun_hook_type next_run = NULL;

static void find_scans(PlanState *node, bool all, List **scans);
static bool gives_row(PlanState *node);

/*
 * The expressions that are evaluated whenever "expression" is. Of AND, OR and COALESCE only the
 * first one is, and none of CASE. An aggregate's are evaluated for each row of its input.
 */
static List *
surely_evaluated(Node *expression)
{
	switch (nodeTag(expression))
	{
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return ((OpExpr *) expression)->args;
		case T_FuncExpr:
			return ((FuncExpr *) expression)->args;
		case T_ArrayExpr:
			return ((ArrayExpr *) expression)->elements;
		case T_RowExpr:
			return ((RowExpr *) expression)->args;
		case T_MinMaxExpr:
			return ((MinMaxExpr *) expression)->args;
		case T_CoalesceExpr:
			return list_make1(linitial(((CoalesceExpr *) expression)->args));
		case T_BoolExpr:
			return list_make1(linitial(((BoolExpr *) expression)->args));
		case T_RelabelType:
			return list_make1(((RelabelType *) expression)->arg);
		case T_CoerceViaIO:
			return list_make1(((CoerceViaIO *) expression)->arg);
		case T_NullTest:
			return list_make1(((NullTest *) expression)->arg);
		case T_BooleanTest:
			return list_make1(((BooleanTest *) expression)->arg);
		default:
			return NIL;
	}
}

/*
 * The scans of the uncorrelated subqueries that are run to evaluate an expression. The executor runs
 * one when its parameter is first wanted: "es_param_exec_vals" tells which subquery gives it.
 */
static void
find_scans_of_expression(EState *state, Node *expression, List **scans)
{
	ListCell   *lc;

	if (expression == NULL)
		return;
	if (IsA(expression, Param) && ((Param *) expression)->paramkind == PARAM_EXEC)
	{
		SubPlanState *subplan = state->es_param_exec_vals[((Param *) expression)->paramid].execPlan;

		/* All but EXISTS read on to the end, to see if there is a second row. */
		if (subplan != NULL && subplan->subplan->parParam == NIL)
			find_scans(subplan->planstate, subplan->subplan->subLinkType != EXISTS_SUBLINK, scans);
		return;
	}
	foreach(lc, surely_evaluated(expression))
		find_scans_of_expression(state, lfirst(lc), scans);
}

static void
find_scans_of_append(PlanState **children, int count, bool all_children, bool all, List **scans)
{
	for (int i = 0; i < count && (i == 0 || all_children); i++)
		find_scans(children[i], all, scans);
}

static bool
is_constant(ExprState *state, int64 least)
{
	Const	   *constant = (Const *) state->expr;

	return IsA(constant, Const) && !constant->constisnull &&
		DatumGetInt64(constant->constvalue) >= least;
}

static void
find_scans_of_limit(LimitState *limit, bool all, List **scans)
{
	/* Of LIMIT 0 nothing is read. */
	if (limit->limitCount == NULL)
		find_scans(outerPlanState(limit), all, scans);
	else if (is_constant(limit->limitCount, 1))
		find_scans(outerPlanState(limit), false, scans);
}

static bool
fills_outer(JoinType type)
{
	return type == JOIN_LEFT || type == JOIN_ANTI || type == JOIN_FULL;
}

static bool
fills_inner(JoinType type)
{
#if PG_VERSION_NUM >= 160000
	if (type == JOIN_RIGHT_ANTI)
		return true;
#endif
	return type == JOIN_RIGHT || type == JOIN_FULL;
}

/*
 * The inner side is read if the outer one has a row. It may be left before its end if a row of it
 * is enough.
 */
static void
find_scans_of_nested_loop(JoinState *join, bool all, List **scans)
{
	find_scans(outerPlanState(join), all, scans);
	if (gives_row(outerPlanState(join)))
		find_scans(innerPlanState(join), all && !join->single_match &&
				   join->jointype != JOIN_ANTI, scans);
}

/*
 * See ExecHashJoinImpl(): which side is read first hangs on costs, and the other one is not read if
 * that turns out to be empty; unless its rows are wanted anyway.
 */
static void
find_scans_of_hash_join(JoinState *join, bool all, List **scans)
{
	PlanState  *outer = outerPlanState(join);
	PlanState  *inner = innerPlanState(join);	/* Hash, which reads all of its rows */
	JoinType	type = join->jointype;
	bool		inner_first = fills_inner(type) ||
		(!fills_outer(type) && outer->plan->startup_cost >= inner->plan->total_cost);

	if (inner_first)
		find_scans(inner, true, scans);
	if (!inner_first || type == JOIN_FULL)
		find_scans(outer, all && fills_outer(type), scans);
	if (!inner_first && gives_row(outer))
		find_scans(inner, true, scans);
}

/*
 * Either side may end the join before the other one has been read, unless its rows are wanted.
 */
static void
find_scans_of_merge_join(JoinState *join, bool all, List **scans)
{
	find_scans(outerPlanState(join), all && fills_outer(join->jointype), scans);
	if (fills_inner(join->jointype))
		find_scans(innerPlanState(join), all, scans);
}

/*
 * Whether a node is sure to give a row, if it is read.
 */
static bool
gives_row(PlanState *node)
{
	JoinState  *join;

	if (node->qual != NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_ResultState:
			return ((ResultState *) node)->resconstantqual == NULL &&
				(outerPlanState(node) == NULL || gives_row(outerPlanState(node)));
		case T_AggState:
			return ((Agg *) node->plan)->aggstrategy == AGG_PLAIN &&
				((Agg *) node->plan)->groupingSets == NIL;
		case T_LimitState:
			return ((LimitState *) node)->limitOffset == NULL &&
				(((LimitState *) node)->limitCount == NULL ||
				 is_constant(((LimitState *) node)->limitCount, 1)) &&
				gives_row(outerPlanState(node));
		case T_SortState:
		case T_MaterialState:
			return gives_row(outerPlanState(node));
		case T_SubqueryScanState:
			return gives_row(((SubqueryScanState *) node)->subplan);
		case T_CustomScanState:
			return source_of_batches(node) != NULL && gives_row(source_of_batches(node));
		case T_NestLoopState:
			join = (JoinState *) node;
			return gives_row(outerPlanState(node)) &&
				(join->jointype == JOIN_LEFT ||
				 (join->jointype == JOIN_INNER && join->joinqual == NULL &&
				  gives_row(innerPlanState(node))));
		default:
			return false;
	}
}

/*
 * Add the scans that are sure to be read, in the order in which they are, when a node is asked for
 * its first row, or for "all" of its rows.
 */
static void
find_scans(PlanState *node, bool all, List **scans)
{
	AppendState *append = (AppendState *) node;
	MergeAppendState *merge = (MergeAppendState *) node;
	ListCell   *lc;

	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_ForeignScanState:
			if (can_start_ahead((ForeignScanState *) node))
				*scans = list_append_unique_ptr(*scans, node);
			break;
		case T_AppendState:
			/* Partitions may turn out to be of no interest only while the query runs. */
			if (append->as_prune_state == NULL)
				find_scans_of_append(append->appendplans, append->as_nplans, all, all, scans);
			break;
		case T_MergeAppendState:
			if (merge->ms_prune_state == NULL)
				find_scans_of_append(merge->mergeplans, merge->ms_nplans, true, all, scans);
			break;
		case T_SortState:
		case T_HashState:
			find_scans(outerPlanState(node), true, scans);
			break;
		case T_AggState:
			all = all || ((Agg *) node->plan)->aggstrategy == AGG_PLAIN ||
				((Agg *) node->plan)->aggstrategy == AGG_HASHED;
			find_scans(outerPlanState(node), all, scans);
			break;
		case T_LimitState:
			find_scans_of_limit((LimitState *) node, all, scans);
			break;
		case T_ResultState:
			if (((ResultState *) node)->resconstantqual == NULL && outerPlanState(node) != NULL)
				find_scans(outerPlanState(node), all, scans);
			break;
		case T_MaterialState:
		case T_IncrementalSortState:
		case T_UniqueState:
		case T_GroupState:
		case T_ProjectSetState:
			find_scans(outerPlanState(node), all, scans);
			break;
		case T_WindowAggState:	/* may end as soon as a condition on its result says so */
		case T_SetOpState:
			find_scans(outerPlanState(node), false, scans);
			break;
		case T_SubqueryScanState:
			find_scans(((SubqueryScanState *) node)->subplan, all, scans);
			break;
		case T_CteScanState:
			find_scans(((CteScanState *) node)->cteplanstate, all, scans);
			break;
		case T_NestLoopState:
			find_scans_of_nested_loop((JoinState *) node, all, scans);
			break;
		case T_HashJoinState:
			find_scans_of_hash_join((JoinState *) node, all, scans);
			break;
		case T_MergeJoinState:
			find_scans_of_merge_join((JoinState *) node, all, scans);
			break;
		case T_CustomScanState:
			if (source_of_batches(node) == NULL)
				return;
			find_scans(source_of_batches(node), all, scans);
			break;
		default:
			return;
	}
	if (gives_row(node))
		foreach(lc, node->plan->targetlist)
			find_scans_of_expression(node->state, (Node *) lfirst_node(TargetEntry, lc)->expr, scans);
}

/*
 * Whether a plan calls a function that may change what a scan would find, or wait until somebody else
 * has changed it. A scan that comes after it must not be asked for before it.
 */
static bool
calls_volatile_function(PlanState *node, void *context)
{
	Plan	   *plan = node->plan;
	Node	   *more = NULL;

	switch (nodeTag(node))
	{
		case T_FunctionScanState:
			more = (Node *) ((FunctionScan *) plan)->functions;
			break;
		case T_ValuesScanState:
			more = (Node *) ((ValuesScan *) plan)->values_lists;
			break;
		case T_ResultState:
			more = ((Result *) plan)->resconstantqual;
			break;
		case T_NestLoopState:
		case T_HashJoinState:
		case T_MergeJoinState:
			more = (Node *) ((Join *) plan)->joinqual;
			break;
		default:
			break;
	}
	return contain_volatile_functions((Node *) plan->targetlist) ||
		contain_volatile_functions((Node *) plan->qual) ||
		contain_volatile_functions(more) ||
		planstate_tree_walker(node, calls_volatile_function, context);
}

/*
 * Whether scans of a plan may be started before their rows are wanted.
 */
bool
may_start_scans(PlanState *plan)
{
	return start_together && !calls_volatile_function(plan, NULL);
}

static void
start_scans(QueryDesc *query, bool all)
{
	MemoryContext before = MemoryContextSwitchTo(query->estate->es_query_cxt);
	List	   *scans = NIL;
	ListCell   *lc;

	find_scans(query->planstate, all, &scans);
	if (list_length(scans) > 1 && may_start_scans(query->planstate))
		foreach(lc, scans)
			if (foreach_current_index(lc) < MOST)
				start_ahead(lfirst(lc));
	list_free(scans);
	MemoryContextSwitchTo(before);
}

static void
before_run(QueryDesc *query, ScanDirection direction, uint64 count EXECUTE_ONCE(bool once))
{
	/* A count is that of FETCH, of a cursor within PL/pgSQL, or of a client that reads in parts. */
	if (start_together && query->operation == CMD_SELECT && !query->already_executed &&
		ScanDirectionIsForward(direction) && !execution_may_write(query->estate))
		start_scans(query, count == 0);
	if (next_run != NULL)
		next_run(query, direction, count EXECUTE_ONCE(once));
	else
		standard_ExecutorRun(query, direction, count EXECUTE_ONCE(once));
}

void
starting_init(void)
{
	DefineCustomBoolVariable("multicorn.start_together",
							 "Starts the scans together that a statement is sure to read.",
							 NULL, &start_together, true, PGC_USERSET, 0, NULL, NULL, NULL);
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = before_run;
}
