/*
 * Clauses that mean the same as a qual and are written in another form.
 *
 * "state = 'OPEN' OR state = 'MERGED'" is a list, as IN would be. "id = 7 OR id IS NULL", which
 * programs write whether or not there can be NULL, is "id = 7" where the column is NOT NULL.
 */
#include "multicorn.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * Whether a column has no NULL, as the table says and PostgreSQL relies on.
 */
static bool
is_never_null(const PlannedTable *table, AttrNumber attno)
{
#if PG_VERSION_NUM >= 170000
	return bms_is_member(attno, table->rel->notnullattnums);
#else
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(table->relid), Int16GetDatum(attno));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
		ReleaseSysCache(tuple);
	}
	return result;
#endif
}

/* Whether a clause asks if a column of the table is NULL which never is. */
static bool
is_never_true(const PlannedTable *table, Expr *clause)
{
	NullTest   *test = (NullTest *) clause;
	Var		   *column;

	if (!IsA(clause, NullTest) || test->nulltesttype != IS_NULL || test->argisrow)
		return false;
	column = column_of(table->rel->relid, (Node *) test->arg);
	return column != NULL && column->varattno > 0 && is_never_null(table, column->varattno);
}

/*
 * A clause on the rows of a scan without what is true of none of them: the arms of an OR that ask if
 * a column is NULL which never is. Above an outer join this would not hold: there it may be NULL.
 */
Expr *
without_null_arms(const PlannedTable *table, Expr *clause)
{
	List	   *arms = NIL;
	ListCell   *lc;

	if (!is_orclause(clause))
		return clause;
	foreach(lc, ((BoolExpr *) clause)->args)
		if (!is_never_true(table, lfirst(lc)))
			arms = lappend(arms, lfirst(lc));
	return arms == NIL ? clause : list_length(arms) == 1 ? linitial(arms) : make_orclause(arms);
}

/*
 * Add the elements of an array to a list of expressions; false if they are not known one by one.
 */
static bool
add_elements(List **elements, Node *array)
{
	Const	   *constant = (Const *) array;
	ArrayIterator iterator;
	Datum		value;
	bool		isnull;
	Oid			type;
	int16		length;
	bool		by_value;
	char		align;

	if (IsA(array, ArrayExpr) && !((ArrayExpr *) array)->multidims)
	{
		*elements = list_concat(*elements, ((ArrayExpr *) array)->elements);
		return true;
	}
	if (!IsA(array, Const) || constant->constisnull)
		return false;
	type = get_element_type(constant->consttype);
	get_typlenbyvalalign(type, &length, &by_value, &align);
	iterator = array_create_iterator(DatumGetArrayTypeP(constant->constvalue), 0, NULL);
	while (array_iterate(iterator, &value, &isnull))
		*elements = lappend(*elements, makeConst(type, -1, constant->constcollid, length,
												 isnull ? (Datum) 0 : datumCopy(value, by_value, length),
												 isnull, by_value));
	array_free_iterator(iterator);
	return true;
}

/*
 * The qual of an arm of an OR, if it says that a column has one of some values, which are added to
 * a list; NULL if it does not.
 */
static ScanQual *
arm_to_qual(Index relid, Expr *arm, List **elements)
{
	ScanQual   *qual = NULL;

	if (IsA(arm, OpExpr) || IsA(arm, ScalarArrayOpExpr))
		qual = clause_to_qual(relid, arm);
	if (qual == NULL || strcmp(qual->operator, "=") != 0)
		return NULL;
	if (!qual->is_array)
		*elements = lappend(*elements, qual->value);
	else if (!qual->use_or || !add_elements(elements, (Node *) qual->value))
		return NULL;
	return qual;
}

static Oid
arm_collation(const ScanQual *qual, Expr *arm)
{
	return qual->is_array ? ((ScalarArrayOpExpr *) arm)->inputcollid : qual->opcollation;
}

static bool
is_whole_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/*
 * An array of these elements; NULL if they are of different types, other than whole numbers.
 */
static Node *
array_of(List *elements)
{
	ArrayExpr  *array = makeNode(ArrayExpr);
	Oid			type = elements == NIL ? InvalidOid : exprType(linitial(elements));
	ListCell   *lc;

	foreach(lc, elements)
		if (exprType(lfirst(lc)) != type)
			type = is_whole_number(type) && is_whole_number(exprType(lfirst(lc))) ? INT8OID : InvalidOid;
	if (!OidIsValid(type) || !OidIsValid(get_array_type(type)))
		return NULL;
	foreach(lc, elements)
		array->elements = lappend(array->elements,
								  coerce_to_target_type(NULL, lfirst(lc), exprType(lfirst(lc)), type, -1,
														COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1));
	array->element_typeid = type;
	array->array_typeid = get_array_type(type);
	array->array_collid = exprCollation(linitial(elements));
	array->location = -1;
	return eval_const_expressions(NULL, (Node *) array);
}

/*
 * The qual of an OR, if all of its arms say that one column has one of some values; else NULL.
 */
ScanQual *
disjunction_to_qual(Index relid, BoolExpr *clause)
{
	ScanQual   *result = NULL;
	Expr	   *first = linitial(clause->args);
	List	   *elements = NIL;
	Node	   *array;
	ListCell   *lc;

	foreach(lc, clause->args)
	{
		ScanQual   *qual = arm_to_qual(relid, lfirst(lc), &elements);

		if (qual == NULL)
			return NULL;
		if (result == NULL)
			result = qual;
		else if (qual->attno != result->attno || qual->plain != result->plain ||
				 arm_collation(qual, lfirst(lc)) != arm_collation(result, first))
			return NULL;
	}
	array = array_of(elements);
	if (array == NULL)
		return NULL;
	result = memcpy(palloc(sizeof(ScanQual)), result, sizeof(ScanQual));
	result->is_array = true;
	result->use_or = true;
	result->strict = true;
	result->rewritten = true;
	result->opno = InvalidOid;
	result->value = (Expr *) array;
	return result;
}
