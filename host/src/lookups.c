/*
 * Look-ups: scans with the values of other tables' columns, for the keys that the wrapper names.
 */
#include "multicorn.h"

#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"

static bool
is_column(Node *node, Index relid, AttrNumber attno)
{
	Var		   *column = column_of(relid, node);

	return column != NULL && column->varattno == attno;
}

static bool
member_is_column(PlannerInfo *root pg_attribute_unused(), RelOptInfo *rel,
				 EquivalenceClass *class pg_attribute_unused(), EquivalenceMember *member,
				 void *arg)
{
	return is_column((Node *) member->em_expr, rel->relid, *(AttrNumber *) arg);
}

/*
 * Add the other side of a join clause to those that a column is compared with.
 */
static List *
add_join_clause(List *sides, RelOptInfo *rel, RestrictInfo *clause, AttrNumber attno)
{
	OpExpr	   *comparison = castNode(OpExpr, clause->clause);
	Node	   *column = linitial(comparison->args);

	if (!is_column(column, rel->relid, attno))
		column = lsecond(comparison->args);
	if (!join_clause_is_movable_to(clause, rel) ||
		!is_plain(column, comparison->opno, comparison->inputcollid))
		return sides;
	return lappend(sides, bms_del_member(bms_copy(clause->clause_relids), rel->relid));
}

/*
 * Find out what a column is compared with by equality: a list of Relids, empty for a constant.
 */
static List *
examine_column(PlannerInfo *root, RelOptInfo *rel, AttrNumber attno)
{
	List	   *sides = NIL;
	ListCell   *lc;

	foreach(lc, rel->baserestrictinfo)
	{
		ScanQual   *qual = clause_to_qual(rel->relid, lfirst_node(RestrictInfo, lc)->clause);

		if (qual != NULL && qual->attno == attno && is_equality(qual))
			sides = lappend(sides, NULL);
	}
	if (rel->has_eclass_joins)
	{
		foreach(lc, generate_implied_equalities_for_column(root, rel, member_is_column, &attno,
														   rel->lateral_referencers))
			sides = add_join_clause(sides, rel, lfirst_node(RestrictInfo, lc), attno);
	}
	foreach(lc, rel->joininfo)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, lc);
		OpExpr	   *comparison = (OpExpr *) clause->clause;

		/* Only an equality that a merge join could use, and with nothing of this table's. */
		if (clause->mergeopfamilies == NIL || !IsA(comparison, OpExpr))
			continue;
		if ((is_column(linitial(comparison->args), rel->relid, attno) &&
			 !bms_is_member(rel->relid, clause->right_relids)) ||
			(is_column(lsecond(comparison->args), rel->relid, attno) &&
			 !bms_is_member(rel->relid, clause->left_relids)))
			sides = add_join_clause(sides, rel, clause, attno);
	}
	return sides;
}

static bool
is_bound(List *sides, Relids outer)
{
	ListCell   *lc;

	foreach(lc, sides)
		if (bms_is_subset(lfirst(lc), outer))
			return true;
	return false;
}

/*
 * Add the look-ups by one key: one for each set of outer tables that gives all its columns a value.
 * The planner itself drops paths that are there already.
 */
static void
add_key_paths(PlannerInfo *root, PlannedTable *table, List *attnums, double rows)
{
	List	   *columns = NIL;		/* of the sides of each */
	List	   *candidates = NIL;	/* of Relids */
	Relids		all = NULL;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, attnums)
	{
		List	   *sides = examine_column(root, table->rel, lfirst_int(lc));

		columns = lappend(columns, sides);
		foreach(lc2, sides)
		{
			candidates = lappend(candidates, lfirst(lc2));
			all = bms_add_members(all, lfirst(lc2));
		}
	}

	/* A key of several columns may need several outer tables. */
	candidates = lappend(candidates, all);

	foreach(lc, candidates)
	{
		Relids		outer = lfirst(lc);
		bool		bound = !bms_is_empty(outer);

		foreach(lc2, columns)
			bound = bound && is_bound(lfirst(lc2), outer);
		if (bound)
			add_scan_paths(root, table, rows, outer);
	}
}

/* Whether a column is used above the scan, other than in the result of the query. */
static bool
is_needed_above(RelOptInfo *rel, AttrNumber attno)
{
	Relids		where = rel->attr_needed[attno - rel->min_attr];
	int			relid = 0;			/* 0 itself stands for the result */

	while ((relid = bms_next_member(where, relid)) > 0)
		if (!bms_is_member(relid, rel->relids))
			return true;
	return false;
}

/*
 * The columns that a join compares with another table's by equality.
 */
static List *
joined_columns(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *result = NIL;
	ListCell   *lc;

	for (AttrNumber attno = 1; attno <= rel->max_attr; attno++)
	{
		if (!is_needed_above(rel, attno))
			continue;
		foreach(lc, examine_column(root, rel, attno))
		{
			if (!bms_is_empty(lfirst(lc)))
			{
				result = lappend_int(result, attno);
				break;
			}
		}
	}
	return result;
}

/*
 * A key as the wrapper's get_list_keys() gives it. The planner takes a number of rows to be whole and
 * at least one. The costs of lists are kept in proportion to that, or one key would cost less where it
 * is looked up alone, only since its number was rounded down.
 */
static ListKey *
list_key(PyObject *tuple)
{
	ListKey    *key = palloc(sizeof(ListKey));
	PyObject   *attnums;
	double		rows;

	if (!PyArg_ParseTuple(tuple, "Oidd", &attnums, &key->most, &key->rows_of_one,
						  &key->rows_of_most))
		py_throw();
	key->attnums = python_to_int_list(attnums);
	rows = clamp_row_est(key->rows_of_one);
	key->rows_of_most = key->rows_of_one > 0 ? key->rows_of_most * rows / key->rows_of_one : rows;
	key->rows_of_one = rows;
	return key;
}

/*
 * Ask the wrapper for the keys of which it takes several at once, its get_list_keys(), and add the
 * look-ups by one of each.
 */
static void
add_list_keys(PlannerInfo *root, PlannedTable *table, PyObject *instance)
{
	List	   *joined = joined_columns(root, table->rel);
	PyObject   *estimated;
	PyObject   *quals;
	PyObject   *keys;
	bool		complete;

	if (joined == NIL)
		return;
	estimated = py_own(PyList_New(0));
	quals = constant_quals(root, table->rel, estimated, &complete);
	keys = py_call(instance, "list_keys", "(OOO)", int_list_to_python(joined), quals, estimated);
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++)
	{
		ListKey    *key = list_key(PyList_GET_ITEM(keys, i));

		table->list_keys = lappend(table->list_keys, key);
		add_key_paths(root, table, key->attnums, key->rows_of_one);
	}
}

static bool
is_list_key(PlannedTable *table, List *attnums)
{
	ListCell   *lc;

	foreach(lc, table->list_keys)
		if (equal(((ListKey *) lfirst(lc))->attnums, attnums))
			return true;
	return false;
}

/*
 * Add the look-ups that the wrapper and the query's joins allow: those by its get_list_keys(), which
 * know the query's other conditions, and by its get_path_keys() that are not among them.
 */
void
add_lookup_paths(PlannerInfo *root, PlannedTable *table, PyObject *instance)
{
	PyObject   *keys;

	if (enable_batched_join && (table->rel->has_eclass_joins || table->rel->joininfo != NIL))
		add_list_keys(root, table, instance);
	keys = py_call(instance, "lookup_keys", "()");
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++)
	{
		PyObject   *columns;
		List	   *attnums;
		double		rows;

		if (!PyArg_ParseTuple(PyList_GET_ITEM(keys, i), "Od", &columns, &rows))
			py_throw();
		attnums = python_to_int_list(columns);
		if (!is_list_key(table, attnums))
			add_key_paths(root, table, attnums, clamp_row_est(rows));
	}
}
