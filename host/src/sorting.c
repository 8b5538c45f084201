/*
 * Sorting by the wrapper.
 */
#include "multicorn.h"

#include "access/stratnum.h"
#include "catalog/pg_collation.h"
#include "optimizer/paths.h"
#include "utils/lsyscache.h"

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
void
find_sort_order(PlannerInfo *root, PlannedTable *table, PyObject *instance, TupleDesc desc)
{
	List	   *wanted = NIL;
	PyObject   *wanted_keys = py_own(PyList_New(0));
	PyObject   *accepted;
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

	accepted = py_own(PyObject_CallFunctionObjArgs(py.sort_order, instance, wanted_keys, NULL));
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(accepted); i++)
	{
		long		index = PyLong_AsLong(PyList_GET_ITEM(accepted, i));

		table->sort_keys = lappend(table->sort_keys, list_nth(wanted, index));
		table->pathkeys = lappend(table->pathkeys, list_nth(root->query_pathkeys, index));
	}
}
