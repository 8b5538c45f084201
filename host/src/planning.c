/*
 * Planning a scan: estimates, paths (plain, parameterized, sorted, limited) and the plan.
 */
#include "multicorn.h"

#include <limits.h>

#include "access/sysattr.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"

/*
 * The columns the scan must give: those of the target list and of the conditions, ctid among them.
 * For a whole row this counts dropped ones in.
 */
static List *
needed_columns(RelOptInfo *rel)
{
	Bitmapset  *offset_columns = NULL;
	List	   *result = NIL;
	ListCell   *lc;
	bool		whole_row;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &offset_columns);
	foreach(lc, rel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, lc)->clause, rel->relid, &offset_columns);

	whole_row = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, offset_columns);
	for (AttrNumber attno = 1; attno <= rel->max_attr; attno++)
		if (whole_row || bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, offset_columns))
			result = lappend_int(result, attno);
	if (bms_is_member(SelfItemPointerAttributeNumber - FirstLowInvalidHeapAttributeNumber,
					  offset_columns))
		result = lappend_int(result, SelfItemPointerAttributeNumber);
	return result;
}

/*
 * Append to a list what a qual is likely to be whose value only the execution will know: with its
 * value as of now, unless a function of the database or a parameter has to tell it.
 */
static void
append_estimated(PlannerInfo *root, PyObject *list, const ScanQual *qual)
{
	Node	   *value = (Node *) qual->value;

	if (!has_own_function(value, NULL))
		value = estimate_expression_value(root, value);
	if (!IsA(value, Const))
		append_placeholder(list, qual);
	else if (!((Const *) value)->constisnull)
		append_qual(list, qual, ((Const *) value)->constvalue, false);
}

/*
 * The needed columns that nothing sees but clauses which are quals: neither what the scan gives, nor
 * a clause of another form, which a qual may follow from.
 */
static List *
unseen_columns(RelOptInfo *rel, List *clauses)
{
	Bitmapset  *seen = NULL;
	List	   *result = NIL;
	ListCell   *lc;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &seen);
	foreach(lc, clauses)
		if (clause_to_qual(rel->relid, lfirst(lc)) == NULL)
			pull_varattnos(lfirst(lc), rel->relid, &seen);
	if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, seen))
		return NIL;
	foreach(lc, needed_columns(rel))
		if (!bms_is_member(lfirst_int(lc) - FirstLowInvalidHeapAttributeNumber, seen))
			result = lappend_int(result, lfirst_int(lc));
	return result;
}

/*
 * The quals whose values are known. "complete" is told whether these are all of the conditions
 * there are. The others are appended to "estimated", unless that is NULL.
 */
PyObject *
constant_quals(PlannerInfo *root, RelOptInfo *rel, PyObject *estimated, bool *complete)
{
	PyObject   *list = py_own(PyList_New(0));
	ListCell   *lc;

	*complete = true;
	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, lc);
		Expr	   *clause = without_null_arms(rel->fdw_private, restriction->clause);
		ScanQual   *qual = clause_to_qual(rel->relid, clause);
		Const	   *constant;

		if (qual == NULL)
		{
			*complete = false;
			qual = implied_qual(rel->relid, clause);
		}
		if (qual == NULL || !IsA(qual->value, Const) || restriction->pseudoconstant)
		{
			*complete = false;
			if (qual != NULL && estimated != NULL && !restriction->pseudoconstant)
				append_estimated(root, estimated, qual);
			continue;
		}
		constant = (Const *) qual->value;
		append_qual(list, qual, constant->constvalue, constant->constisnull);
	}
	return list;
}

/*
 * Whether there are several ways to run the query, between which the size of a table decides: in a
 * join, and in a subquery that is planned by itself, which may be run once or for each row.
 */
static bool
has_choices(PlannerInfo *root)
{
	return bms_membership(root->all_baserels) == BMS_MULTIPLE || root->parent_root != NULL;
}

/*
 * Estimates: the wrapper's get_rel_size() and _startup_cost.
 */
static void
get_foreign_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	PlannedTable *table = palloc0(sizeof(PlannedTable));

	table->relid = relid;
	table->check_as_user = rel->userid;
	table->rel = rel;
	rel->fdw_private = table;

	/*
	 * What the instance of one role promises (order, limit, exact conditions), that of another
	 * may not keep. Where a view's owner is asked instead, the role does not matter.
	 */
	if (!OidIsValid(rel->userid))
		root->glob->dependsOnRole = true;

	PY_BEGIN();
	{
		PyObject   *instance = instance_get(relid, rel->userid);
		PyObject   *estimated;
		PyObject   *quals;
		PyObject   *size;
		bool		complete;
		double		rows;
		double		width;

		estimated = py_own(PyList_New(0));
		quals = constant_quals(root, rel, estimated, &complete);
		size = py_call(instance, "rel_size", "(OOOii)", quals, estimated,
					   int_list_to_python(needed_columns(rel)), (int) plans_only(),
					   (int) has_choices(root));
		if (!PyArg_ParseTuple(size, "ddd", &rows, &width, &table->startup_cost))
			py_throw();
		rel->rows = clamp_row_est(rows);
		table->width = (int) Max(0, Min(width, INT_MAX));
		rel->reltarget->width = table->width;
	}
	PY_END();
}

/*
 * The total cost of a scan, as Multicorn2 reckons it, so that a wrapper's estimates lead to the
 * same plans. It may be less than the startup cost; the planner copes with that.
 */
static Cost
scan_cost(const PlannedTable *table, double rows)
{
	return rows * table->width;
}

static void
add_scan_path(PlannerInfo *root, PlannedTable *table, double rows, Relids outer, List *pathkeys,
			  List *sort_keys)
{
	add_path(table->rel, (Path *)
			 create_foreignscan_path(root, table->rel, NULL, PATH_ROWS(rows), table->startup_cost,
									 scan_cost(table, rows), pathkeys, outer, NULL,
									 PATH_PRIVATE(list_make4(sort_keys, NULL, NULL, NIL))));
}

/*
 * Add the paths of scans with values from some outer tables, or from none.
 */
void
add_scan_paths(PlannerInfo *root, PlannedTable *table, double rows, Relids outer)
{
	outer = bms_union(outer, table->rel->lateral_relids);
	add_scan_path(root, table, rows, outer, NIL, NIL);
	if (table->pathkeys != NIL)
		add_scan_path(root, table, rows, outer, table->pathkeys, table->sort_keys);
}

/*
 * Paths: the wrapper's can_sort(), and get_path_keys() for a table that is joined by conditions.
 */
static void
get_foreign_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	PlannedTable *table = rel->fdw_private;

	PY_BEGIN();
	{
		PyObject   *instance = instance_get(relid, rel->userid);

		find_sort_order(root, table, instance);
		add_scan_paths(root, table, rel->rows, NULL);
		/* Only a join has values to look up, and the wrapper's estimates of look-ups take time. */
		if (rel->has_eclass_joins || rel->joininfo != NIL)
			add_lookup_paths(root, table, instance);
	}
	PY_END();
}

/* Whether this is a table of this host, and not a join or a part of a partitioned one. */
bool
is_our_rel(RelOptInfo *rel)
{
	return rel->reloptkind == RELOPT_BASEREL && rel->fdwroutine != NULL &&
		rel->fdwroutine->GetForeignPaths == get_foreign_paths && rel->fdw_private != NULL;
}

/*
 * LIMIT and OFFSET
 */

/*
 * Whether a LIMIT or OFFSET is absent or a known number; a negative one is PostgreSQL's to refuse.
 */
static bool
is_known(Node *limit)
{
	return limit == NULL ||
		(IsA(limit, Const) && !((Const *) limit)->constisnull &&
		 DatumGetInt64(((Const *) limit)->constvalue) >= 0);
}

static bool
wrapper_can_limit(PlannerInfo *root, const PlannedTable *table, Const *limit, Const *offset)
{
	volatile bool result = false;

	PY_BEGIN();
	{
		PyObject   *instance = instance_get(table->relid, table->check_as_user);
		bool		complete;
		PyObject   *quals = constant_quals(root, table->rel, NULL, &complete);

		result = Py_True == py_call(instance, "can_limit", "(OOO)", complete ? quals : Py_None,
									limit_to_python(limit), limit_to_python(offset));
	}
	PY_END();
	return result;
}

/*
 * Add a path that leaves LIMIT and OFFSET to the wrapper, if it can_limit().
 */
static void
add_limit_path(PlannerInfo *root, PlannedTable *table, RelOptInfo *final_rel)
{
	Query	   *query = root->parse;
	Const	   *limit = (Const *) query->limitCount;
	Const	   *offset = (Const *) query->limitOffset;
	double		rows = table->rel->rows;
	List	   *sort_keys = root->sort_pathkeys != NIL ? table->sort_keys : NIL;

	if (query->commandType != CMD_SELECT || query->rowMarks != NIL || query->hasTargetSRFs ||
		query->limitOption == LIMIT_OPTION_WITH_TIES ||
		!is_known(query->limitCount) || !is_known(query->limitOffset) ||
		(limit == NULL && offset == NULL) || !wrapper_can_limit(root, table, limit, offset))
		return;

	if (offset != NULL)
		rows -= Min(rows, (double) DatumGetInt64(offset->constvalue));
	if (limit != NULL)
		rows = Min(rows, (double) DatumGetInt64(limit->constvalue));
	rows = clamp_row_est(rows);

	/*
	 * The same scan under a Limit node costs about the same, and the planner keeps the path it
	 * had first. Ours moves less, so it is made a little cheaper.
	 */
	add_path(final_rel, (Path *)
			 create_foreign_upper_path(root, table->rel, root->upper_targets[UPPERREL_FINAL],
									   PATH_ROWS(rows), table->startup_cost * 0.99,
									   scan_cost(table, rows) * 0.99, root->sort_pathkeys, NULL,
									   PATH_PRIVATE(list_make4(sort_keys, limit, offset, NIL))));
}

/*
 * Only the way from a single foreign table, by way of ORDER BY if it needs no sort, to LIMIT.
 */
static void
get_foreign_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel,
						RelOptInfo *output_rel, void *extra)
{
	PlannedTable *table = input_rel->fdw_private;

	if (table == NULL || output_rel->fdw_private != NULL)
		return;
	if (stage == UPPERREL_ORDERED && pathkeys_contained_in(root->sort_pathkeys, table->pathkeys))
		output_rel->fdw_private = table;
	else if (stage == UPPERREL_FINAL && ((FinalPathExtraData *) extra)->limit_needed)
		add_limit_path(root, table, output_rel);
}

/* Whether the rows of a query's result are rows of what it reads, and not made of several. */
bool
gives_rows_as_they_are(Query *query)
{
	return query->commandType == CMD_SELECT && !query->hasAggs && !query->hasWindowFuncs &&
		query->groupClause == NIL && query->groupingSets == NIL && query->distinctClause == NIL;
}

static bool
has_limit(Query *query)
{
	Const	   *limit = (Const *) query->limitCount;

	return limit != NULL && !(IsA(limit, Const) && limit->constisnull);
}

/*
 * The level of a query in the statement, 1 for the outermost, if a LIMIT of its own or of a query
 * around it wants some of its rows. 0 without one, or if what is limited are not rows as they were
 * read. The planner tells of a LIMIT around it by a tuple_fraction of one or more, and of EXISTS too.
 */
static int
limit_level(PlannerInfo *root)
{
	bool		limited = has_limit(root->parse);
	PlannerInfo *around;

	for (around = root->parent_root; around != NULL && root->tuple_fraction >= 1;
		 around = around->parent_root)
		limited = limited || has_limit(around->parse);
	return limited && gives_rows_as_they_are(root->parse) ? (int) root->query_level : 0;
}

/*
 * Whether a query is to give some of its rows only: under a LIMIT, a cursor or EXISTS, which the
 * planner tells by tuple_fraction. It does not tell a query of WITH, which it plans before it looks
 * at the LIMIT of the query around it, and before it lists the tables of that. How the latter reads
 * the former is not looked at: if it groups the rows in a subquery, they are all read after all.
 */
bool
wants_some_rows(PlannerInfo *root)
{
	if (root->tuple_fraction > 0)
		return true;
	for (; root->parent_root != NULL && root->parent_root->simple_rel_array == NULL;
		 root = root->parent_root)
	{
		Query	   *around = root->parent_root->parse;

		if (!gives_rows_as_they_are(around) || around->sortClause != NIL)
			return false;
		if (has_limit(around))
			return true;
	}
	return false;
}

/*
 * Whether a query may be content with some of a table's rows, unless all rows are needed for the
 * first row of the result; or a join only asks if there is a row.
 */
bool
may_stop(PlannerInfo *root, RelOptInfo *rel)
{
	Query	   *query = root->parse;
	Relids		relids = rel->top_parent_relids ? rel->top_parent_relids : rel->relids;
	ListCell   *lc;

	if (wants_some_rows(root) && gives_rows_as_they_are(query) && query->sortClause == NIL)
		return true;
	foreach(lc, root->join_info_list)
	{
		SpecialJoinInfo *join = lfirst(lc);

		if ((join->jointype == JOIN_SEMI || join->jointype == JOIN_ANTI) &&
			bms_is_subset(relids, join->syn_righthand))
			return true;
	}
	return false;
}

/*
 * After how many rows a query ends the reading of its only table, because of a LIMIT, of EXISTS, or
 * since it wants the least or the greatest value. 0 if that is not known. Conditions that are not
 * quals may pass over any number of rows.
 */
static int
wanted_rows(PlannerInfo *root, RelOptInfo *rel, ForeignPath *path)
{
	ListCell   *lc;

	if (root->tuple_fraction < 1 || !gives_rows_as_they_are(root->parse) ||
		root->parse->hasTargetSRFs ||
		!bms_equal(root->all_baserels, rel->relids) ||
		!pathkeys_contained_in(root->query_pathkeys, path->path.pathkeys))
		return 0;
	foreach(lc, rel->baserestrictinfo)
		if (clause_to_qual(rel->relid, lfirst_node(RestrictInfo, lc)->clause) == NULL)
			return 0;
	return (int) Min(root->tuple_fraction, INT_MAX);
}

/*
 * The plan. All of the conditions are also its fdw_exprs, but for arms of an OR that are never true:
 * there the executor finds them with the values of joined tables replaced by parameters, and
 * begin_foreign_scan() makes quals of them.
 */
static ForeignScan *
get_foreign_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid pg_attribute_unused(),
				 ForeignPath *best_path, List *tlist, List *scan_clauses, Plan *outer_plan)
{
	List	   *private = list_concat(list_make1(needed_columns(rel)), best_path->fdw_private);
	List	   *clauses = NIL;
	ListCell   *lc;

	private = lappend(private, makeInteger(may_stop(root, rel)));
	private = lappend(private, makeInteger(limit_level(root)));
	private = lappend(private, makeInteger(wanted_rows(root, rel, best_path)));
	scan_clauses = extract_actual_clauses(scan_clauses, false);
	foreach(lc, scan_clauses)
		clauses = lappend(clauses, without_null_arms(rel->fdw_private, lfirst(lc)));
	private = lappend(private, unseen_columns(rel, clauses));
	return make_foreignscan(tlist, scan_clauses, rel->relid, clauses, private, NIL, NIL,
							outer_plan);
}

void
planning_callbacks(FdwRoutine *routine)
{
	routine->GetForeignRelSize = get_foreign_rel_size;
	routine->GetForeignPaths = get_foreign_paths;
	routine->GetForeignUpperPaths = get_foreign_upper_paths;
	routine->GetForeignPlan = get_foreign_plan;
}
