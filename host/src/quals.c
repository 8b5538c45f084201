/*
 * From the planner's clauses to multicorn.Qual.
 *
 * PostgreSQL checks every clause again, so a clause that has no form as a qual is left out.
 */
#include "multicorn.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/*
 * The column of a table that an expression is, or NULL. A relabelling, such as of varchar to text,
 * leaves the value as it is. Of the system columns, ctid counts as one.
 */
Var *
column_of(Index relid, Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node != NULL && IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if ((Index) var->varno == relid && var->varlevelsup == 0 &&
			(var->varattno > 0 || var->varattno == SelfItemPointerAttributeNumber))
			return var;
	}
	return NULL;
}

/*
 * Whether an expression has one value throughout a scan.
 */
bool
is_scan_constant(Node *node)
{
	return !contain_var_clause(node) &&
		!contain_volatile_functions(node) &&
		!contain_subplans(node);
}

/*
 * Whether a comparison means what its operator's name says: not that of an extension's type, such
 * as citext, nor of char(n), which ignores trailing spaces, to which a column was relabelled; nor
 * by a collation under which different texts are equal.
 */
bool
is_plain(Node *column, Oid operator, Oid collation)
{
	Node	   *bare = column;

	while (IsA(bare, RelabelType))
		bare = (Node *) ((RelabelType *) bare)->arg;
	if (exprType(column) == BPCHAROID && exprType(bare) != BPCHAROID)
		return false;
	return operator < FirstNormalObjectId &&
		(!OidIsValid(collation) || get_collation_isdeterministic(collation));
}

/*
 * NULL if there is no column.
 */
static ScanQual *
make_qual(Var *column, char *operator, void *value)
{
	ScanQual   *qual;

	if (column == NULL)
		return NULL;
	qual = palloc0(sizeof(ScanQual));
	qual->attno = column->varattno;
	qual->operator = operator;
	qual->value = value;
	qual->plain = true;
	qual->timed = column->vartype == TIMESTAMPTZOID;
	return qual;
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
	qual = make_qual(column, name, right);
	qual->strict = op_strict(operator);
	qual->plain = is_plain(right == lsecond(clause->args) ? left : lsecond(clause->args),
						   operator, clause->inputcollid);
	qual->opno = operator;
	qual->opcollation = clause->inputcollid;
	return qual;
}

/*
 * Whether a qual says which one value the column has.
 */
bool
is_equality(const ScanQual *qual)
{
	return !qual->is_array && qual->implied == NULL && qual->strict && qual->plain &&
		strcmp(qual->operator, "=") == 0;
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
	qual = make_qual(column, name, array);
	qual->is_array = true;
	qual->plain = is_plain(linitial(clause->args), clause->opno, clause->inputcollid);
	qual->use_or = clause->useOr;
	qual->strict = true;		/* NULL instead of an array, whatever the operator */
	return qual;
}

static ScanQual *
null_test_to_qual(Index relid, NullTest *clause)
{
	/* IS NULL of a row value is about its fields. */
	if (clause->argisrow)
		return NULL;
	return make_qual(column_of(relid, (Node *) clause->arg),
					 clause->nulltesttype == IS_NULL ? "=" : "<>",
					 makeNullConst(INT4OID, -1, InvalidOid));
}

static ScanQual *
boolean_test_to_qual(Index relid, BooleanTest *clause)
{
	BoolTestType test = clause->booltesttype;
	bool		negated = test == IS_NOT_TRUE || test == IS_NOT_FALSE || test == IS_NOT_UNKNOWN;
	bool		value = test == IS_TRUE || test == IS_NOT_TRUE;
	bool		isnull = test == IS_UNKNOWN || test == IS_NOT_UNKNOWN;
	ScanQual   *qual;

	if (test == IS_TRUE && column_of(relid, (Node *) clause->arg) == NULL)
	{
		/* Rows are dropped alike whether a condition is false or NULL. */
		qual = clause_to_qual(relid, clause->arg);
		if (qual != NULL)
			qual->rewritten = true;
		return qual;
	}
	return make_qual(column_of(relid, (Node *) clause->arg), negated ? "IS NOT" : "IS",
					 makeBoolConst(value, isnull));
}

/*
 * The qual of NOT: of a column, or of "column IS DISTINCT FROM value", which leaves equality, and
 * IS NULL if the value is NULL.
 */
static ScanQual *
negation_to_qual(Index relid, Node *negated)
{
	ScanQual   *qual;

	if (!IsA(negated, DistinctExpr))
		return make_qual(column_of(relid, negated), "<>", makeBoolConst(true, false));
	qual = operator_to_qual(relid, (OpExpr *) negated);
	if (qual == NULL || strcmp(qual->operator, "=") != 0)
		return NULL;
	qual->strict = false;
	qual->opno = InvalidOid;
	qual->rewritten = true;
	return qual;
}

/*
 * The qual of a clause on a table, "relid" in the range table; NULL if it has none.
 */
ScanQual *
clause_to_qual(Index relid, Expr *clause)
{
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
			return make_qual(column_of(relid, (Node *) clause), "=", makeBoolConst(true, false));
		case T_BoolExpr:
			if (is_orclause(clause))
				return disjunction_to_qual(relid, (BoolExpr *) clause);
			return !is_notclause(clause) ? NULL :
				negation_to_qual(relid, linitial(((BoolExpr *) clause)->args));
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
 * A moment in microseconds since 2000, in UTC, as a timestamptz is compared with the value. None
 * for an infinite one, and for a value of another type.
 */
static PyObject *
instant_to_python(Datum value, Oid type)
{
	TimestampTz instant;
	int			overflow = 0;

	switch (type)
	{
		case TIMESTAMPTZOID:
			instant = DatumGetTimestampTz(value);
			break;
		case TIMESTAMPOID:
			instant = timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow);
			break;
		case DATEOID:
			instant = date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow);
			break;
		default:
			return Py_None;
	}
	if (overflow != 0 || TIMESTAMP_NOT_FINITE(instant))
		return Py_None;
	return py_own(PyLong_FromLongLong(instant));
}

/*
 * The value of a qual on a timestamptz as a moment, or the moments of an array's elements but for
 * NULLs. A date and a timestamp are of the session's time zone, which only PostgreSQL knows.
 */
PyObject *
qual_instant_to_python(const ScanQual *qual, Datum value, bool isnull)
{
	Oid			type = exprType((Node *) qual->value);
	ArrayIterator iterator;
	PyObject   *list;

	if (!qual->timed || isnull)
		return Py_None;
	if (!qual->is_array)
		return instant_to_python(value, type);
	list = py_own(PyList_New(0));
	iterator = array_create_iterator(DatumGetArrayTypeP(value), 0, NULL);
	while (array_iterate(iterator, &value, &isnull))
		if (!isnull)
			py_append(list, instant_to_python(value, get_element_type(type)));
	array_free_iterator(iterator);
	return list;
}

/*
 * The qual, with this value, as multicorn/_instances.py takes it.
 */
static PyObject *
qual_tuple(const ScanQual *qual, PyObject *value, PyObject *instant, bool unknown)
{
	PyObject   *operator = server_string_to_python(qual->operator);

	if (qual->is_array)
		operator = py_own(Py_BuildValue("(OO)", operator, qual->use_or ? Py_True : Py_False));
	return py_own(Py_BuildValue("(iOOOOii)", qual->attno, operator, value,
								qual->plain ? Py_True : Py_False, instant,
								qual->rewritten || qual->implied != NULL, unknown));
}

PyObject *
qual_to_python(const ScanQual *qual, PyObject *value, PyObject *instant)
{
	return qual_tuple(qual, value, instant, false);
}

/*
 * For EXPLAIN: a qual whose value is not known, with something in its place.
 */
PyObject *
unknown_qual_to_python(const ScanQual *qual, PyObject *value)
{
	return qual_tuple(qual, value, Py_None, true);
}

/*
 * Append to a list what a qual is with this value: one, or an implied one's none to two.
 */
void
append_qual(PyObject *list, const ScanQual *qual, Datum value, bool isnull)
{
	if (qual->implied == NULL)
		py_append(list, qual_to_python(qual, qual_value_to_python(qual, value, isnull),
									   qual_instant_to_python(qual, value, isnull)));
	else if (!isnull)
		append_implied(list, qual, value);
}

/*
 * The same for EXPLAIN, where the value is not known.
 */
void
append_placeholder(PyObject *list, const ScanQual *qual)
{
	if (qual->implied == NULL)
		py_append(list, unknown_qual_to_python(qual,
											   placeholder_to_python(exprType((Node *) qual->value))));
	else
		append_implied_placeholders(list, qual);
}
