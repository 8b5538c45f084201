/*
 * Planning a scan: estimates, paths (plain, parameterized, sorted, limited) and the plan.
 */
#include "multicorn.h"

#include <limits.h>

#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* A foreign table in the query being planned: its RelOptInfo's fdw_private. */
typedef struct PlannedTable
{
	Oid			relid;
	RelOptInfo *rel;
	Cost		startup_cost;
	int			width;
	List	   *sort_keys;		/* those the wrapper can sort by, serialized */
	List	   *pathkeys;		/* the same, as the planner has them */
} PlannedTable;

/* A set of columns the wrapper can look up by equality. */
typedef struct LookupKey
{
	List	   *columns;		/* attribute numbers */
	double		rows;
} LookupKey;

/* One column of a lookup key, and whose values may be compared with it. */
typedef struct LookupColumn
{
	AttrNumber	attno;
	bool		constant;		/* compared with a constant already */
	List	   *outer_relids;	/* Relids of the other sides of join clauses */
} LookupColumn;

static double
number_at(PyObject *sequence, Py_ssize_t index)
{
	PyObject   *item = py_own(PySequence_GetItem(sequence, index));
	double		number = PyFloat_AsDouble(item);

	if (number == -1.0 && PyErr_Occurred())
		py_throw();
	return number;
}

/*
 * The columns the scan must give: those of the target list and of the conditions.
 */
static Bitmapset *
needed_columns(RelOptInfo *rel, TupleDesc desc)
{
	Bitmapset  *offset_columns = NULL;
	Bitmapset  *result = NULL;
	ListCell   *lc;
	bool		whole_row;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &offset_columns);
	foreach(lc, rel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, lc)->clause, rel->relid, &offset_columns);

	whole_row = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, offset_columns);
	for (int i = 0; i < desc->natts; i++)
	{
		AttrNumber	attno = i + 1;

		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		if (whole_row || bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, offset_columns))
			result = bms_add_member(result, attno);
	}
	return result;
}

static PyObject *
column_names(Bitmapset *columns, TupleDesc desc)
{
	PyObject   *set = py_own(PySet_New(NULL));
	int			attno = -1;

	while ((attno = bms_next_member(columns, attno)) >= 0)
	{
		const char *name = NameStr(TupleDescAttr(desc, attno - 1)->attname);

		if (PySet_Add(set, server_string_to_python(name)) < 0)
			py_throw();
	}
	return set;
}

/*
 * The quals whose values are known. "complete", if given, is told whether these are all of the
 * conditions there are.
 */
static PyObject *
constant_quals(RelOptInfo *rel, TupleDesc desc, bool *complete)
{
	PyObject   *list = py_own(PyList_New(0));
	ListCell   *lc;

	if (complete != NULL)
		*complete = true;
	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, lc);
		ScanQual   *qual = clause_to_qual(rel->relid, restriction->clause);
		Const	   *constant;

		if (qual == NULL || !IsA(qual->value, Const) || restriction->pseudoconstant)
		{
			if (complete != NULL)
				*complete = false;
			continue;
		}
		constant = (Const *) qual->value;
		if (PyList_Append(list,
						  qual_to_python(qual, desc,
										 qual_value_to_python(qual, constant->constvalue,
															  constant->constisnull))) < 0)
			py_throw();
	}
	return list;
}

/*
 * Estimates: the wrapper's get_rel_size() and _startup_cost.
 */
void
get_foreign_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	PlannedTable *table = palloc0(sizeof(PlannedTable));

	(void) root;
	table->relid = relid;
	table->rel = rel;
	rel->fdw_private = table;

	PY_BEGIN();
	{
		PyObject   *instance = instance_get(relid)->object;
		Relation	relation = table_open(relid, NoLock);
		TupleDesc	desc = RelationGetDescr(relation);
		PyObject   *size;
		PyObject   *startup_cost;

		size = py_own(PyObject_CallMethod(instance, "get_rel_size", "OO",
										  constant_quals(rel, desc, NULL),
										  column_names(needed_columns(rel, desc), desc)));
		if (!PySequence_Check(size) || PySequence_Size(size) != 2)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("get_rel_size must return a tuple of two numbers, rows and width")));
		startup_cost = py_own(PyObject_GetAttrString(instance, "_startup_cost"));
		table->startup_cost = Max(number_at(py_own(PyTuple_Pack(1, startup_cost)), 0), 0);
		rel->rows = clamp_row_est(number_at(size, 0));
		table->width = (int) Max(0, Min(number_at(size, 1), INT_MAX));
		rel->reltarget->width = table->width;
		if (rel->tuples < rel->rows)
			rel->tuples = rel->rows;
		table_close(relation, NoLock);
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
add_scan_path(PlannerInfo *root, PlannedTable *table, double rows, Relids required_outer)
{
	RelOptInfo *rel = table->rel;

	add_path(rel, (Path *)
			 create_foreignscan_path(root, rel, NULL, PATH_ROWS(rows), table->startup_cost,
									 scan_cost(table, rows), NIL, required_outer, NULL,
									 PATH_PRIVATE(NIL)));
	if (table->pathkeys == NIL)
		return;
	add_path(rel, (Path *)
			 create_foreignscan_path(root, rel, NULL, PATH_ROWS(rows), table->startup_cost,
									 scan_cost(table, rows), table->pathkeys, required_outer, NULL,
									 PATH_PRIVATE(list_make1(table->sort_keys))));
}

/*
 * Look-ups
 */

static List *
lookup_keys(PyObject *instance, TupleDesc desc)
{
	PyObject   *keys = py_own(PyObject_CallMethod(instance, "get_path_keys", NULL));
	Py_ssize_t	count = PySequence_Size(keys);
	List	   *result = NIL;

	if (count < 0)
		py_throw();
	for (Py_ssize_t i = 0; i < count; i++)
	{
		PyObject   *item = py_own(PySequence_GetItem(keys, i));
		PyObject   *names = py_own(PySequence_Fast(py_own(PySequence_GetItem(item, 0)),
												   "the columns of a path key must be a sequence"));
		LookupKey  *key = palloc0(sizeof(LookupKey));
		bool		known = true;

		key->rows = clamp_row_est(number_at(item, 1));
		for (Py_ssize_t j = 0; j < PySequence_Fast_GET_SIZE(names); j++)
		{
			PyObject   *name = py_own(PyObject_Str(PySequence_Fast_GET_ITEM(names, j)));
			AttrNumber	attno = InvalidAttrNumber;

			for (int k = 0; k < desc->natts && attno == InvalidAttrNumber; k++)
				if (!TupleDescAttr(desc, k)->attisdropped &&
					strcmp(NameStr(TupleDescAttr(desc, k)->attname),
						   python_to_server_string(name)) == 0)
					attno = k + 1;
			if (attno == InvalidAttrNumber)
				known = false;
			else
				key->columns = list_append_unique_int(key->columns, attno);
		}
		if (known && key->columns != NIL)
			result = lappend(result, key);
	}
	return result;
}

static bool
is_column(Node *node, Index relid, AttrNumber attno)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node != NULL && IsA(node, Var) &&
		((Var *) node)->varno == (int) relid && ((Var *) node)->varattno == attno;
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
note_join_clause(LookupColumn *column, RelOptInfo *rel, RestrictInfo *clause)
{
	if (join_clause_is_movable_to(clause, rel))
		column->outer_relids = lappend(column->outer_relids,
									   bms_del_member(bms_copy(clause->clause_relids), rel->relid));
}

/*
 * Find out what a column is compared with by equality.
 */
static LookupColumn *
examine_column(PlannerInfo *root, RelOptInfo *rel, AttrNumber attno)
{
	LookupColumn *column = palloc0(sizeof(LookupColumn));
	ListCell   *lc;

	column->attno = attno;
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
is_bound(const LookupColumn *column, Relids outer)
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
 * Add a parameterized path for each set of outer tables that gives all columns of a key a value.
 */
static void
add_lookup_paths(PlannerInfo *root, PlannedTable *table, LookupKey *key)
{
	List	   *columns = NIL;
	List	   *candidates = NIL;	/* of Relids */
	Relids		all = NULL;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, key->columns)
	{
		LookupColumn *column = examine_column(root, table->rel, lfirst_int(lc));

		columns = lappend(columns, column);
		foreach(lc2, column->outer_relids)
		{
			candidates = append_relids(candidates, lfirst(lc2));
			all = bms_add_members(all, lfirst(lc2));
		}
	}

	/* A key of several columns may need several outer tables. */
	if (list_length(columns) > 1 && all != NULL)
		candidates = append_relids(candidates, all);

	foreach(lc, candidates)
	{
		Relids		outer = lfirst(lc);
		bool		bound = !bms_is_empty(outer);

		foreach(lc2, columns)
			bound = bound && is_bound(lfirst(lc2), outer);
		if (bound)
			add_scan_path(root, table, key->rows,
						  bms_union(outer, table->rel->lateral_relids));
	}
}

/*
 * Sorting
 */

/*
 * The column of this table that a path key sorts by, and its collation, if it is one.
 */
static Var *
pathkey_column(PathKey *pathkey, RelOptInfo *rel, Oid *collation)
{
	ListCell   *lc;

	*collation = InvalidOid;
	foreach(lc, pathkey->pk_eclass->ec_members)
	{
		EquivalenceMember *member = lfirst_node(EquivalenceMember, lc);
		Node	   *expr = (Node *) member->em_expr;

		if (!bms_equal(member->em_relids, rel->relids))
			continue;
		if (IsA(expr, RelabelType))
		{
			*collation = ((RelabelType *) expr)->resultcollid;
			expr = (Node *) ((RelabelType *) expr)->arg;
		}
		if (IsA(expr, Var) && ((Var *) expr)->varattno > 0)
			return (Var *) expr;
		return NULL;
	}
	return NULL;
}

static List *
serialize_sort_key(PathKey *pathkey, Var *column, Oid collation, TupleDesc desc)
{
	Node	   *collation_name = NULL;

	if (OidIsValid(collation) && collation != DEFAULT_COLLATION_OID)
		collation_name = (Node *) makeString(get_collation_name(collation));
	return list_make5(makeString(pstrdup(NameStr(TupleDescAttr(desc, column->varattno - 1)->attname))),
					  makeInteger(column->varattno),
					  makeInteger(PATHKEY_IS_DESCENDING(pathkey)),
					  makeInteger(pathkey->pk_nulls_first),
					  collation_name);
}

PyObject *
sort_key_to_python(List *key)
{
	Node	   *collation = lfirst(list_nth_cell(key, 4));

	return py_own(PyObject_CallFunction(py.SortKey, "OiOOO",
										server_string_to_python(strVal(linitial(key))),
										intVal(lsecond(key)),
										intVal(lthird(key)) ? Py_True : Py_False,
										intVal(lfourth(key)) ? Py_True : Py_False,
										collation == NULL ? Py_None :
										server_string_to_python(strVal(collation))));
}

/*
 * Ask the wrapper whether it can give the rows in the query's order, where that is one by
 * columns of this table.
 */
static void
find_sort_order(PlannerInfo *root, PlannedTable *table, PyObject *instance, TupleDesc desc)
{
	List	   *wanted = NIL;
	PyObject   *wanted_keys = py_own(PyList_New(0));
	PyObject   *accepted;
	Py_ssize_t	count;
	ListCell   *lc;

	foreach(lc, root->query_pathkeys)
	{
		PathKey    *pathkey = lfirst_node(PathKey, lc);
		Oid			collation;
		Var		   *column = pathkey_column(pathkey, table->rel, &collation);
		List	   *key;

		if (column == NULL)
			return;
		key = serialize_sort_key(pathkey, column, collation, desc);
		wanted = lappend(wanted, key);
		if (PyList_Append(wanted_keys, sort_key_to_python(key)) < 0)
			py_throw();
	}
	if (wanted == NIL)
		return;

	accepted = py_own(PyObject_CallMethod(instance, "can_sort", "O", wanted_keys));
	if (accepted == Py_None)
		return;
	count = PySequence_Size(accepted);
	if (count < 0)
		py_throw();
	for (Py_ssize_t i = 0; i < count; i++)
	{
		PyObject   *key = py_own(PySequence_GetItem(accepted, i));
		long		attno = PyLong_AsLong(py_own(PyObject_GetAttrString(key, "attnum")));

		if (attno == -1 && PyErr_Occurred())
			py_throw();
		foreach(lc, wanted)
		{
			if (intVal(lsecond((List *) lfirst(lc))) != attno)
				continue;
			table->sort_keys = lappend(table->sort_keys, lfirst(lc));
			table->pathkeys = lappend(table->pathkeys,
									  list_nth(root->query_pathkeys, foreach_current_index(lc)));
		}
	}
}

/*
 * Paths: the wrapper's can_sort() and get_path_keys().
 */
void
get_foreign_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	PlannedTable *table = rel->fdw_private;

	PY_BEGIN();
	{
		PyObject   *instance = instance_get(relid)->object;
		Relation	relation = table_open(relid, NoLock);
		TupleDesc	desc = RelationGetDescr(relation);
		ListCell   *lc;

		find_sort_order(root, table, instance, desc);
		add_scan_path(root, table, rel->rows, rel->lateral_relids);
		foreach(lc, lookup_keys(instance, desc))
			add_lookup_paths(root, table, lfirst(lc));
		table_close(relation, NoLock);
	}
	PY_END();
}

/*
 * LIMIT and OFFSET
 */

/*
 * The value of a LIMIT or OFFSET. Returns false if there is one that is not known yet.
 */
static bool
limit_value(Node *node, Const **value)
{
	*value = NULL;
	if (node == NULL)
		return true;
	if (!IsA(node, Const) || ((Const *) node)->constisnull)
		return false;
	*value = (Const *) node;
	return true;
}

static PyObject *
limit_to_python(Const *value)
{
	if (value == NULL)
		return Py_None;
	return py_own(PyLong_FromLongLong(DatumGetInt64(value->constvalue)));
}

static bool
is_true(PyObject *object)
{
	int			result = PyObject_IsTrue(object);

	if (result < 0)
		py_throw();
	return result == 1;
}

/*
 * Whether the wrapper itself applies the whole WHERE clause: always, if there is none; otherwise
 * its optional exact_quals() tells, if there are quals for all of it.
 */
static bool
applies_all_quals(const PlannedTable *table, PyObject *instance)
{
	Relation	relation;
	PyObject   *quals;
	PyObject   *hook;
	bool		complete;

	if (table->rel->baserestrictinfo == NIL)
		return true;
	hook = PyObject_GetAttrString(instance, "exact_quals");
	if (hook == NULL)
	{
		if (!PyErr_ExceptionMatches(PyExc_AttributeError))
			py_throw();
		PyErr_Clear();
		return false;
	}
	py_own(hook);
	relation = table_open(table->relid, NoLock);
	quals = constant_quals(table->rel, RelationGetDescr(relation), &complete);
	table_close(relation, NoLock);
	return complete && is_true(py_own(PyObject_CallOneArg(hook, quals)));
}

static pg_noinline bool
wrapper_can_limit(const PlannedTable *table, Const *limit, Const *offset)
{
	volatile bool result = false;

	PY_BEGIN();
	{
		PyObject   *instance = instance_get(table->relid)->object;

		if (applies_all_quals(table, instance))
			result = is_true(py_own(PyObject_CallMethod(instance, "can_limit", "OO",
														limit_to_python(limit),
														limit_to_python(offset))));
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
	Const	   *limit;
	Const	   *offset;
	double		rows = table->rel->rows;
	List	   *sort_keys = root->sort_pathkeys != NIL ? table->sort_keys : NIL;

	if (query->commandType != CMD_SELECT || query->rowMarks != NIL || query->hasTargetSRFs ||
		query->limitOption == LIMIT_OPTION_WITH_TIES ||
		!limit_value(query->limitCount, &limit) || !limit_value(query->limitOffset, &offset) ||
		(limit == NULL && offset == NULL) || !wrapper_can_limit(table, limit, offset))
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
									   PATH_PRIVATE(list_make3(sort_keys, limit, offset))));
}

/*
 * Only the way from a single foreign table, by way of ORDER BY if it needs no sort, to LIMIT.
 */
void
get_foreign_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel,
						RelOptInfo *output_rel, void *extra)
{
	PlannedTable *table = input_rel->fdw_private;

	if (table == NULL || output_rel->fdw_private != NULL)
		return;
	if (stage == UPPERREL_ORDERED)
	{
		if (pathkeys_contained_in(root->sort_pathkeys, table->pathkeys))
			output_rel->fdw_private = table;
	}
	else if (stage == UPPERREL_FINAL && ((FinalPathExtraData *) extra)->limit_needed)
		add_limit_path(root, table, output_rel);
}

/*
 * The plan. All of the conditions are also its fdw_exprs: there the executor finds them with the
 * values of joined tables replaced by parameters, and begin_foreign_scan() makes quals of them.
 */
ForeignScan *
get_foreign_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *best_path,
				 List *tlist, List *scan_clauses, Plan *outer_plan)
{
	Relation	relation = table_open(relid, NoLock);
	Bitmapset  *columns = needed_columns(rel, RelationGetDescr(relation));
	List	   *column_list = NIL;
	List	   *from_path = best_path->fdw_private;
	Node	   *limit = NULL;
	Node	   *offset = NULL;
	int			attno = -1;

	(void) root;
	table_close(relation, NoLock);
	while ((attno = bms_next_member(columns, attno)) >= 0)
		column_list = lappend_int(column_list, attno);
	if (list_length(from_path) == 3)
	{
		limit = lsecond(from_path);
		offset = lthird(from_path);
	}
	scan_clauses = extract_actual_clauses(scan_clauses, false);
	return make_foreignscan(tlist, scan_clauses, rel->relid, scan_clauses,
							list_make4(column_list, from_path != NIL ? linitial(from_path) : NIL,
									   limit, offset),
							NIL, NIL, outer_plan);
}
