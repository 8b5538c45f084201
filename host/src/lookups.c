/*
 * Look-ups: scans with the values of other tables' columns, for the keys that the wrapper names.
 */
#include "multicorn.h"

#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"

/* One column of a key, and what it is compared with by equality. */
typedef struct KeyColumn
{
	bool		constant;		/* a constant, among other things */
	List	   *outer_relids;	/* Relids of the other sides of join clauses */
} KeyColumn;

static bool
is_column(Node *node, Index relid, AttrNumber attno)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node != NULL && IsA(node, Var) &&
		(Index) ((Var *) node)->varno == relid && ((Var *) node)->varattno == attno;
}

static bool
member_is_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *class,
				 EquivalenceMember *member, void *arg)
{
	(void) root;
	(void) class;
	return is_column((Node *) member->em_expr, rel->relid, *(AttrNumber *) arg);
}

static void
note_join_clause(KeyColumn *column, RelOptInfo *rel, RestrictInfo *clause)
{
	if (join_clause_is_movable_to(clause, rel))
		column->outer_relids = lappend(column->outer_relids,
									   bms_del_member(bms_copy(clause->clause_relids), rel->relid));
}

/*
 * Find out what a column is compared with by equality.
 */
static KeyColumn *
examine_column(PlannerInfo *root, RelOptInfo *rel, AttrNumber attno)
{
	KeyColumn *column = palloc0(sizeof(KeyColumn));
	ListCell   *lc;

	foreach(lc, rel->baserestrictinfo)
	{
		ScanQual   *qual = clause_to_qual(rel->relid, lfirst_node(RestrictInfo, lc)->clause);

		if (qual != NULL && qual->attno == attno && !qual->is_array && qual->strict &&
			strcmp(qual->operator, "=") == 0)
			column->constant = true;
	}
	if (rel->has_eclass_joins)
	{
		foreach(lc, generate_implied_equalities_for_column(root, rel, member_is_column, &attno,
														   rel->lateral_referencers))
			note_join_clause(column, rel, lfirst_node(RestrictInfo, lc));
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
			note_join_clause(column, rel, clause);
	}
	return column;
}

/* Not list_append_unique(): before PostgreSQL 16 a Relids is not a Node. */
static List *
append_relids(List *list, Relids relids)
{
	ListCell   *lc;

	foreach(lc, list)
		if (bms_equal(lfirst(lc), relids))
			return list;
	return lappend(list, relids);
}

static bool
is_bound(const KeyColumn *column, Relids outer)
{
	ListCell   *lc;

	if (column->constant)
		return true;
	foreach(lc, column->outer_relids)
		if (bms_is_subset(lfirst(lc), outer))
			return true;
	return false;
}

/*
 * The look-ups by one key: one for each set of outer tables that gives all its columns a value.
 */
static List *
key_lookups(PlannerInfo *root, RelOptInfo *rel, PyObject *attnums, double rows)
{
	List	   *columns = NIL;
	List	   *candidates = NIL;	/* of Relids */
	List	   *result = NIL;
	Relids		all = NULL;
	ListCell   *lc;
	ListCell   *lc2;

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(attnums); i++)
	{
		AttrNumber	attno = PyLong_AsLong(PyList_GET_ITEM(attnums, i));
		KeyColumn  *column = examine_column(root, rel, attno);

		columns = lappend(columns, column);
		foreach(lc, column->outer_relids)
		{
			candidates = append_relids(candidates, lfirst(lc));
			all = bms_add_members(all, lfirst(lc));
		}
	}

	/* A key of several columns may need several outer tables. */
	if (all != NULL)
		candidates = append_relids(candidates, all);

	foreach(lc, candidates)
	{
		Relids		outer = lfirst(lc);
		bool		bound = !bms_is_empty(outer);

		foreach(lc2, columns)
			bound = bound && is_bound(lfirst(lc2), outer);
		if (bound)
		{
			Lookup	   *lookup = palloc(sizeof(Lookup));

			lookup->outer = outer;
			lookup->rows = rows;
			result = lappend(result, lookup);
		}
	}
	return result;
}

/*
 * The look-ups that the wrapper's get_path_keys() and the query's joins allow.
 */
List *
find_lookups(PlannerInfo *root, RelOptInfo *rel, PyObject *instance, TupleDesc desc)
{
	PyObject   *attnums = py_own(PyDict_New());
	PyObject   *keys;
	List	   *result = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped &&
			PyDict_SetItem(attnums, server_string_to_python(NameStr(attribute->attname)),
						   py_own(PyLong_FromLong(attribute->attnum))) < 0)
			py_throw();
	}
	keys = py_own(PyObject_CallFunctionObjArgs(py.lookup_keys, instance, attnums, NULL));
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++)
	{
		PyObject   *columns;
		double		rows;

		if (!PyArg_ParseTuple(PyList_GET_ITEM(keys, i), "Od", &columns, &rows))
			py_throw();
		result = list_concat(result, key_lookups(root, rel, columns, clamp_row_est(rows)));
	}
	return result;
}
