/*
 * Sorting by the wrapper.
 */
#include "multicorn.h"

#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "commands/defrem.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/paths.h"
#include "utils/lsyscache.h"

/*
 * Whether an operator family orders an expression, which is a column with or without a relabelling,
 * the way ORDER BY of the column alone does. A relabelling keeps the value but not its order: of a
 * text as citext or char(n), of an integer as oid. One is accepted only if it is the planner's own,
 * to the type that the column's default operators take, as of varchar to text. For an array, that
 * type is any array's, and the order the elements': of int4[] as oid[] it is another.
 */
static bool
is_own_order(Node *expr, const Var *column, Oid opfamily)
{
	Oid			opclass = GetDefaultOpClass(column->vartype, BTREE_AM_OID);

	return OidIsValid(opclass) && get_opclass_family(opclass) == opfamily &&
		(IsA(expr, Var) || get_opclass_input_type(opclass) == exprType(expr));
}

/*
 * The column of this table that a path key sorts by, and its collation if that is not the column's
 * own.
 */
static Var *
pathkey_column(PathKey *pathkey, RelOptInfo *rel, Oid *collation)
{
	EquivalenceClass *class = pathkey->pk_eclass;
	ListCell   *lc;

	foreach(lc, class->ec_members)
	{
		EquivalenceMember *member = lfirst_node(EquivalenceMember, lc);
		Node	   *expr = (Node *) member->em_expr;
		Var		   *column = column_of(rel->relid, expr);

		/* The relids are others if an outer join may make the column NULL. */
		if (column == NULL || column->varattno < 0 ||
			!bms_equal(member->em_relids, rel->relids) ||
			!is_own_order(expr, column, pathkey->pk_opfamily))
			continue;
		*collation = class->ec_collation == column->varcollid ? InvalidOid : class->ec_collation;
		return column;
	}
	return NULL;
}

/*
 * Sort keys as multicorn/_instances.py takes them.
 */
PyObject *
sort_keys_to_python(List *keys)
{
	PyObject   *result = py_own(PyList_New(0));
	ListCell   *lc;

	foreach(lc, keys)
	{
		List	   *key = lfirst(lc);
		const char *collation = get_collation_name((Oid) lfourth_int(key));
		PyObject   *item = py_own(Py_BuildValue("(iiiO)", linitial_int(key), lsecond_int(key),
												lthird_int(key), collation == NULL ? Py_None :
												server_string_to_python(collation)));

		py_append(result, item);
	}
	return result;
}

/*
 * Ask the wrapper whether it can give the rows in the query's order, where that is one by
 * columns of this table. A sort key is the column, whether it is descending, whether NULLs come
 * first, and the collation's OID: numbers that a plan can carry.
 */
void
find_sort_order(PlannerInfo *root, PlannedTable *table, PyObject *instance)
{
	List	   *wanted = NIL;
	List	   *accepted;
	ListCell   *lc;

	foreach(lc, root->query_pathkeys)
	{
		PathKey    *pathkey = lfirst_node(PathKey, lc);
		Oid			collation;
		Var		   *column = pathkey_column(pathkey, table->rel, &collation);

		if (column == NULL)
			return;
		wanted = lappend(wanted, list_make4_int(column->varattno, PATHKEY_IS_DESCENDING(pathkey),
												pathkey->pk_nulls_first, (int) collation));
	}
	if (wanted == NIL)
		return;

	accepted = python_to_int_list(py_call(instance, "sort_order", "(O)",
										  sort_keys_to_python(wanted)));
	foreach(lc, accepted)
	{
		table->sort_keys = lappend(table->sort_keys, list_nth(wanted, lfirst_int(lc)));
		table->pathkeys = lappend(table->pathkeys, list_nth(root->query_pathkeys, lfirst_int(lc)));
	}
}
