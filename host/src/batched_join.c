/*
 * Batched joins: planning.
 *
 * A nested loop looks up the rows of one table by key, once for each row of another. Where the
 * wrapper takes lists of keys, the loop's outer side gets a node on top that reads some of its rows
 * ahead (batches.c); the look-up then asks for the keys of all of them at once and finds the rows of
 * each in what it got (key_lists.c). The loop itself stays PostgreSQL's, and with it what each kind
 * of join means. Every condition is checked on each pair of rows as ever.
 */
#include "multicorn.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

/* How many full lists one batch may have. */
#define LISTS_PER_BATCH 16

/* More than anything costs. */
#define ENDLESS 1e300

/*
 * A list that costs little must not win over reading the whole table where that costs as much. One
 * that costs as much as its keys one by one wins over that: they are looked up at the same time.
 */
#define CHEAP_LIST_FACTOR 1.01
#define DEAR_LIST_FACTOR 0.99

bool		enable_batched_join = true;
static set_join_pathlist_hook_type next_join_paths = NULL;

/*
 * Whether the statement changes or locks no row of a foreign table. Its own changes could be what a
 * batch has read too early.
 */
static bool
only_reads(PlannerInfo *root)
{
	for (; root != NULL; root = root->parent_root)
	{
		Query	   *query = root->parse;

		if (query->rowMarks != NIL || query->hasModifyingCTE)
			return false;
		if (query->commandType == CMD_INSERT &&
			rt_fetch(query->resultRelation, query->rtable)->relkind == RELKIND_RELATION)
			continue;
		if (query->commandType != CMD_SELECT)
			return false;
	}
	return true;
}

/*
 * The other side of an equality with a column, if rows can be told apart by it: the comparison has
 * hash functions, and means what its name says.
 */
static Node *
compared_with(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *clause, AttrNumber attno)
{
	OpExpr	   *comparison = (OpExpr *) clause->clause;

	if (!IsA(comparison, OpExpr) || list_length(comparison->args) != 2)
		return NULL;
	for (int side = 0; side < 2; side++)
	{
		Node	   *mine = list_nth(comparison->args, side);
		Node	   *other = list_nth(comparison->args, 1 - side);
		Var		   *column = column_of(rel->relid, mine);
		Oid			operator = side == 0 ? comparison->opno : get_commutator(comparison->opno);

		if (column != NULL && column->varattno == attno &&
			!bms_is_member(rel->relid, pull_varnos(root, other)) &&
			key_hash_functions(operator, exprType(mine), NULL, NULL) &&
			is_plain(mine, operator, comparison->inputcollid))
			return other;
	}
	return NULL;
}

static bool
has_constant(RelOptInfo *rel, AttrNumber attno)
{
	ListCell   *lc;

	foreach(lc, rel->baserestrictinfo)
	{
		ScanQual   *qual = clause_to_qual(rel->relid, lfirst_node(RestrictInfo, lc)->clause);

		if (qual != NULL && is_equality(qual) && qual->attno == attno)
			return true;
	}
	return false;
}

/*
 * After lists that cost so much, a batched join reads the whole table instead of further ones: as much
 * as that costs, in the rows that stand for it. So if there are far more keys than estimated, and memory
 * holds the outer rows, it costs about twice as much as the best plan, and not a multiple of it. Never
 * if a query is to give some of its rows only.
 */
static double
rows_of_whole(PlannerInfo *root, PlannedTable *table)
{
	return wants_some_rows(root) ? ENDLESS : table->rel->rows;
}

static int
lists_per_batch(PlannerInfo *root, PlannedTable *table, const ListKey *key)
{
	double		most = rows_of_whole(root, table) / Max(1, key->rows_of_most);

	return (int) Max(1, Min(LISTS_PER_BATCH, most));
}

/* How a look-up takes the keys of a batch, and how many lists it will take. */
typedef struct ListPlan
{
	ListKey    *key;
	double		lists;
	double		keys;			/* in a list */
} ListPlan;

static double
distinct_values(PlannerInfo *root, List *expressions, double rows)
{
	EstimationInfo info = {0};
	double		result;

	if (expressions == NIL)
		return 1;
	result = estimate_num_groups(root, expressions, rows, NULL, &info);
	/* A guess for want of statistics may be far too low. */
	return clamp_row_est(info.flags & SELFLAG_USED_DEFAULT ? rows : result);
}

/*
 * In how many batches a key is asked for, on the average. A batch has so many different keys; rows
 * with the same key may be anywhere, so that many rows go into one batch only if most keys fit.
 */
static double
times_asked(double rows, double distinct, double keys_of_batch)
{
	double		rows_of_batch;
	double		batches;

	if (distinct <= keys_of_batch)
		return 1;
	rows_of_batch = distinct * log(distinct / (distinct - keys_of_batch));
	batches = Max(rows / rows_of_batch, distinct / keys_of_batch);
	return batches * keys_of_batch / distinct;
}

/*
 * Find out whether a look-up can have lists by this key, and how many it takes for so many rows.
 * Rows of a batch are put together by the values of all columns but the last.
 */
static bool
plan_lists(PlannerInfo *root, Path *lookup, ListKey *key, double rows, ListPlan *result)
{
	RelOptInfo *rel = lookup->parent;
	List	   *values = NIL;
	List	   *leading = NIL;
	double		groups;
	double		distinct;
	ListCell   *lc;

	foreach(lc, key->attnums)
	{
		AttrNumber	attno = lfirst_int(lc);
		bool		is_last = lnext(key->attnums, lc) == NULL;
		Node	   *value = NULL;
		ListCell   *lc2;

		foreach(lc2, lookup->param_info->ppi_clauses)
			if ((value = compared_with(root, rel, lfirst_node(RestrictInfo, lc2), attno)) != NULL)
				break;
		if (value == NULL && (is_last || !has_constant(rel, attno)))
			return false;
		if (value != NULL)
			values = lappend(values, value);
		if (value != NULL && !is_last)
			leading = lappend(leading, value);
	}
	distinct = distinct_values(root, values, rows);
	groups = Min(distinct_values(root, leading, rows), distinct);
	result->key = key;
	result->lists = groups * ceil(distinct / groups / key->most);
	result->keys = distinct / result->lists;
	result->lists *= times_asked(rows, distinct,
								 lists_per_batch(root, rel->fdw_private, key) * key->most);
	return true;
}

/* Whether a list costs much less than a look-up for each of its keys. */
static bool
is_cheap(const ListKey *key)
{
	return key->rows_of_most * 2 <= key->rows_of_one * key->most;
}

/*
 * A copy of a look-up's path that costs, for each of so many rows, its share of the lists. NULL if
 * the wrapper takes no list by what this path has values for.
 */
static ForeignPath *
shared_lookup(PlannerInfo *root, ForeignPath *lookup, double rows, ListKey **key)
{
	PlannedTable *table = lookup->path.parent->fdw_private;
	ForeignPath *result = NULL;
	ListCell   *lc;

	foreach(lc, table->list_keys)
	{
		ListPlan	plan;
		Cost		cost;

		if (!plan_lists(root, &lookup->path, lfirst(lc), rows, &plan))
			continue;
		cost = (is_cheap(plan.key) && plan.keys > 1 ? CHEAP_LIST_FACTOR : DEAR_LIST_FACTOR) *
			table->width * plan.lists / rows *
			rows_of_list(plan.keys, plan.key->most, plan.key->rows_of_one, plan.key->rows_of_most);
		if (result != NULL && result->path.total_cost <= cost)
			continue;
		result = makeNode(ForeignPath);
		*result = *lookup;
		/* The startup cost stays: the first row costs as much as without batches. */
		result->path.total_cost = cost;
		result->path.pathkeys = NIL;
		result->fdw_private = list_make4(NIL, NULL, NULL, plan.key->attnums);
		*key = plan.key;
	}
	return result;
}

/*
 * Whether the query may end before all of the outer side's rows are used.
 */
static bool
may_end_early(PlannerInfo *root, Path *outer)
{
	return wants_some_rows(root) && gives_rows_as_they_are(root->parse) &&
		(root->parse->sortClause == NIL ||
		 pathkeys_contained_in(root->sort_pathkeys, outer->pathkeys));
}

static Node *
as_float(double number)
{
	return (Node *) makeFloat(psprintf("%.17g", number));
}

static Plan *plan_batches(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
						  List *clauses, List *children);

static const CustomPathMethods path_methods = {
	.CustomName = BATCHES_NAME,
	.PlanCustomPath = plan_batches,
};

/*
 * The outer side, read in batches. If the query may end early, the first batch is one row.
 */
static Path *
batches_path(PlannerInfo *root, RelOptInfo *rel, Path *outer, PlannedTable *table, ListKey *key)
{
	CustomPath *path = makeNode(CustomPath);
	bool		early = may_end_early(root, outer);
	double		whole = rows_of_whole(root, table);
	int			most = lists_per_batch(root, table, key) * key->most;
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, key->attnums)
		names = lappend(names, makeString(get_attname(table->relid, lfirst_int(lc), false)));
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = outer->pathtarget;
	path->path.rows = outer->rows;
	path->path.startup_cost = outer->startup_cost;
	path->path.total_cost = outer->total_cost + cpu_tuple_cost * outer->rows;
	path->path.pathkeys = outer->pathkeys;
#if PG_VERSION_NUM >= 180000
	path->path.disabled_nodes = outer->disabled_nodes;
#endif
#ifdef CUSTOMPATH_SUPPORT_PROJECTION
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
#endif
	path->custom_paths = list_make1(outer);
	path->custom_private = list_make4(list_make4_int(key->most, most, early ? 1 : most,
													 is_cheap(key) ? 4 : 2),
									  names, makeInteger(early || may_stop(root, rel)),
									  list_make3(as_float(key->rows_of_one),
												 as_float(key->rows_of_most), as_float(whole)));
	path->methods = &path_methods;
	return &path->path;
}

static Plan *
plan_batches(PlannerInfo *root pg_attribute_unused(), RelOptInfo *rel pg_attribute_unused(),
			 CustomPath *path, List *tlist, List *clauses pg_attribute_unused(), List *children)
{
	CustomScan *scan = makeNode(CustomScan);

	scan->scan.plan.targetlist = tlist;
	scan->custom_scan_tlist = copyObject(linitial_node(Plan, children)->targetlist);
	scan->custom_plans = children;
	scan->custom_private = path->custom_private;
	scan->flags = path->flags;
	scan->methods = &batches_scan_methods;
	return &scan->scan.plan;
}

/*
 * Add the join of an outer path with a look-up that gets the keys of several of its rows at once.
 */
static void
add_batched_join(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel, JoinType jointype,
				 JoinPathExtraData *extra, Path *outer, ForeignPath *lookup)
{
	ListKey    *key;
	ForeignPath *shared = shared_lookup(root, lookup, outer->rows, &key);
	Path	   *batches;
	JoinCostWorkspace workspace;

	if (shared == NULL)
		return;
	/* These want the first of a key's rows only, of which a list may have to read many. */
	if ((jointype == JOIN_SEMI || jointype == JOIN_ANTI) && !is_cheap(key))
		return;
	batches = batches_path(root, outerrel, outer, lookup->path.parent->fdw_private, key);
	initial_cost_nestloop(root, &workspace, jointype, batches, &shared->path, extra);
	add_path(joinrel, (Path *)
			 create_nestloop_path(root, joinrel, jointype, &workspace, extra, batches,
								  &shared->path, extra->restrictlist,
								  build_join_pathkeys(root, joinrel, jointype, batches->pathkeys),
								  NULL));
}

/*
 * The paths of the outer side to read in batches: all that need no values from elsewhere. With
 * JOIN_UNIQUE_OUTER the rows of a subquery are made unique first; then it is an inner join.
 */
static List *
outer_paths(PlannerInfo *root, RelOptInfo *rel, JoinType *jointype, JoinPathExtraData *extra)
{
	List	   *result = NIL;
	ListCell   *lc;

	if (*jointype == JOIN_UNIQUE_OUTER)
	{
		Path	   *unique = NULL;

		if (rel->cheapest_total_path->param_info == NULL)
			unique = (Path *) create_unique_path(root, rel, rel->cheapest_total_path,
												 extra->sjinfo);
		*jointype = JOIN_INNER;
		return unique == NULL ? NIL : list_make1(unique);
	}
	foreach(lc, rel->pathlist)
	{
		Path	   *path = lfirst(lc);

		if (path->param_info == NULL && !IsA(path, CustomPath))
			result = lappend(result, path);
	}
	return result;
}

static void
add_batched_joins(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
				  RelOptInfo *innerrel, JoinType jointype, JoinPathExtraData *extra)
{
	List	   *outers = NIL;
	ListCell   *lc;
	ListCell   *lc2;

	if (next_join_paths != NULL)
		next_join_paths(root, joinrel, outerrel, innerrel, jointype, extra);
	if (!enable_batched_join || !is_our_rel(innerrel) ||
		((PlannedTable *) innerrel->fdw_private)->list_keys == NIL || !only_reads(root))
		return;
	if (jointype != JOIN_INNER && jointype != JOIN_LEFT && jointype != JOIN_SEMI &&
		jointype != JOIN_ANTI && jointype != JOIN_UNIQUE_OUTER)
		return;

	foreach(lc, innerrel->pathlist)
	{
		Path	   *lookup = lfirst(lc);

		/* Values from outside of this join are those of another look-up for each of them. */
		if (!IsA(lookup, ForeignPath) || lookup->param_info == NULL ||
			!bms_is_subset(PATH_REQ_OUTER(lookup), outerrel->relids))
			continue;
		if (outers == NIL)
			outers = outer_paths(root, outerrel, &jointype, extra);
		foreach(lc2, outers)
			add_batched_join(root, joinrel, outerrel, jointype, extra, lfirst(lc2),
							 (ForeignPath *) lookup);
	}
}

/* Called when the library is loaded. */
void
batched_join_init(void)
{
	DefineCustomBoolVariable("multicorn.enable_batched_join",
							 "Lets joins look up the keys of several rows at once.",
							 NULL, &enable_batched_join, true, PGC_USERSET, 0, NULL, NULL, NULL);
	next_join_paths = set_join_pathlist_hook;
	set_join_pathlist_hook = add_batched_joins;
	batches_init();
}
