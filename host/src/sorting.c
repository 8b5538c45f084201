/*
 * Sorting by the wrapper.
 */
#include "multicorn.h"

#include "access/stratnum.h"
#include "catalog/pg_collation.h"
#include "optimizer/paths.h"
#include "utils/lsyscache.h"

/*
 * The column of this table that a path key sorts by, and its collation if that is not the default.
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
			if (((RelabelType *) expr)->resultcollid != DEFAULT_COLLATION_OID)
				*collation = ((RelabelType *) expr)->resultcollid;
			expr = (Node *) ((RelabelType *) expr)->arg;
		}
		if (IsA(expr, Var) && ((Var *) expr)->varattno > 0)
			return (Var *) expr;
		return NULL;
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
