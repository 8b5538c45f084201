/*
 * From the planner's clauses to multicorn.Qual.
 *
 * PostgreSQL checks every clause again, so a clause that has no form as a qual is left out.
 */
#include "multicorn.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static Var *
column_of(Index relid, Node *node)
{
	/* A relabelling, such as of varchar to text, leaves the value as it is. */
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node != NULL && IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if ((Index) var->varno == relid && var->varlevelsup == 0 && var->varattno > 0)
			return var;
	}
	return NULL;
}

/*
 * Whether an expression has one value throughout a scan.
 */
static bool
is_scan_constant(Node *node)
{
	return !contain_var_clause(node) &&
		!contain_volatile_functions(node) &&
		!contain_subplans(node);
}

static ScanQual *
make_qual(Var *column, char *operator, Expr *value)
{
	ScanQual   *qual = palloc0(sizeof(ScanQual));

	qual->attno = column->varattno;
	qual->operator = operator;
	qual->value = value;
	return qual;
}

static ScanQual *
make_bool_qual(Var *column, char *operator, bool value)
{
	return make_qual(column, operator, (Expr *) makeBoolConst(value, false));
}

static ScanQual *
operator_to_qual(Index relid, OpExpr *clause)
{
	Node	   *left;
	Node	   *right;
	Oid			operator = clause->opno;
	Var		   *column;
	char	   *name;
	ScanQual   *qual;

	if (list_length(clause->args) != 2)
		return NULL;
	left = linitial(clause->args);
	right = lsecond(clause->args);
	column = column_of(relid, left);
	if (column == NULL)
	{
		/* constant operator column: turn it round, if the operator can be */
		column = column_of(relid, right);
		right = left;
		operator = get_commutator(operator);
	}
	if (column == NULL || !OidIsValid(operator) || !is_scan_constant(right))
		return NULL;
	name = get_opname(operator);
	if (name == NULL)
		return NULL;
	qual = make_qual(column, name, (Expr *) right);
	qual->strict = op_strict(operator);
	return qual;
}

static ScanQual *
array_operator_to_qual(Index relid, ScalarArrayOpExpr *clause)
{
	Var		   *column = column_of(relid, linitial(clause->args));
	Node	   *array = lsecond(clause->args);
	char	   *name = get_opname(clause->opno);
	ScanQual   *qual;

	if (column == NULL || name == NULL || !is_scan_constant(array))
		return NULL;
	qual = make_qual(column, name, (Expr *) array);
	qual->is_array = true;
	qual->use_or = clause->useOr;
	qual->strict = true;		/* NULL instead of an array, whatever the operator */
	return qual;
}

static ScanQual *
null_test_to_qual(Index relid, NullTest *clause)
{
	Var		   *column = column_of(relid, (Node *) clause->arg);

	/* IS NULL of a row value is about its fields. */
	if (column == NULL || clause->argisrow)
		return NULL;
	return make_qual(column, clause->nulltesttype == IS_NULL ? "=" : "<>",
					 (Expr *) makeNullConst(INT4OID, -1, InvalidOid));
}

static ScanQual *
boolean_test_to_qual(Index relid, BooleanTest *clause)
{
	Var		   *column = column_of(relid, (Node *) clause->arg);

	if (column == NULL)
		return NULL;
	switch (clause->booltesttype)
	{
		case IS_TRUE:
			return make_bool_qual(column, "IS", true);
		case IS_FALSE:
			return make_bool_qual(column, "IS", false);
		case IS_NOT_TRUE:
			return make_bool_qual(column, "IS NOT", true);
		case IS_NOT_FALSE:
			return make_bool_qual(column, "IS NOT", false);
		case IS_UNKNOWN:
			return make_qual(column, "IS", (Expr *) makeBoolConst(false, true));
		case IS_NOT_UNKNOWN:
			return make_qual(column, "IS NOT", (Expr *) makeBoolConst(false, true));
	}
	return NULL;
}

/*
 * The qual of a clause on a table, "relid" in the range table; NULL if it has none.
 */
ScanQual *
clause_to_qual(Index relid, Expr *clause)
{
	Var		   *column;

	switch (nodeTag(clause))
	{
		case T_OpExpr:
			return operator_to_qual(relid, (OpExpr *) clause);
		case T_ScalarArrayOpExpr:
			return array_operator_to_qual(relid, (ScalarArrayOpExpr *) clause);
		case T_NullTest:
			return null_test_to_qual(relid, (NullTest *) clause);
		case T_BooleanTest:
			return boolean_test_to_qual(relid, (BooleanTest *) clause);
		case T_Var:
			column = column_of(relid, (Node *) clause);
			return column == NULL ? NULL : make_bool_qual(column, "=", true);
		case T_BoolExpr:
			if (((BoolExpr *) clause)->boolop != NOT_EXPR)
				return NULL;
			column = column_of(relid, linitial(((BoolExpr *) clause)->args));
			return column == NULL ? NULL : make_bool_qual(column, "<>", true);
		default:
			return NULL;
	}
}

PyObject *
qual_value_to_python(const ScanQual *qual, Datum value, bool isnull)
{
	if (isnull)
		return Py_None;
	return datum_to_python(value, exprType((Node *) qual->value), qual->is_array);
}

/*
 * The multicorn.Qual, with this value.
 */
PyObject *
qual_to_python(const ScanQual *qual, TupleDesc desc, PyObject *value)
{
	PyObject   *arguments[3];

	arguments[0] = server_string_to_python(NameStr(TupleDescAttr(desc, qual->attno - 1)->attname));
	arguments[1] = server_string_to_python(qual->operator);
	if (qual->is_array)
		arguments[1] = py_own(PyTuple_Pack(2, arguments[1], qual->use_or ? Py_True : Py_False));
	arguments[2] = value;
	return py_own(PyObject_Vectorcall(py.Qual, arguments, 3, NULL));
}
