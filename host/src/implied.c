/*
 * Conditions that follow from a clause on an expression of a column.
 *
 * "created_on::date = '2024-05-01'" has no form as a qual: it compares what is made of the column.
 * But it follows from it that the column lies within a range of time, and that a wrapper can use.
 * The same holds of the other ways to name a month or a year, and "lower(title) = 'x'" implies an
 * ILIKE. PostgreSQL checks the clause itself on every row, so a range may be too wide, and must
 * not be too narrow.
 *
 * A range is found from the outside to the inside: from the range of what is compared follows the
 * range of what it was made of, in one step for each function. Where a time zone is passed, each
 * offset counts that is in effect within a month, so that a range is wider by the change around a
 * change of the clocks, and otherwise exact.
 */
#include "multicorn.h"
#include "ranges.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

struct Implied
{
	Oid			type;			/* of what is compared */
	char		comparison;		/* '=', '<' or '>' */
	bool		strict;			/* not "or equal" */
	bool		folded;			/* lower() of the column, and no range */
	List	   *steps;			/* from the outside to the inside */
};

typedef struct Unit
{
	const char *name;
	int64		length;
} Unit;

static const Unit units[] = {
	{"microseconds", 1}, {"milliseconds", 1000}, {"second", USECS_PER_SEC},
	{"minute", USECS_PER_MINUTE}, {"hour", USECS_PER_HOUR}, {"day", USECS_PER_DAY},
	{"week", 7 * USECS_PER_DAY}, {"month", 31 * USECS_PER_DAY}, {"quarter", 92 * USECS_PER_DAY},
	{"year", 366 * USECS_PER_DAY}, {"decade", 3660 * USECS_PER_DAY},
	{"century", 36600 * USECS_PER_DAY}, {"millennium", 366000 * USECS_PER_DAY}
};

static bool implied_conditions = true;

void
implied_init(void)
{
	DefineCustomBoolVariable("multicorn.implied_conditions",
							 "Tells wrappers what follows from conditions on expressions.",
							 NULL, &implied_conditions, true, PGC_USERSET, 0, NULL, NULL, NULL);
}

/*
 * From a clause to steps.
 */

/* A constant text, or NULL. */
static const char *
constant_text(Node *node)
{
	Const	   *constant = (Const *) node;

	if (!IsA(node, Const) || constant->consttype != TEXTOID || constant->constisnull)
		return NULL;
	return TextDatumGetCString(constant->constvalue);
}

static List *
add_step(List *steps, StepKind kind)
{
	Step	   *step = palloc0(sizeof(Step));

	step->kind = kind;
	step->in_session = true;
	return lappend(steps, step);
}

/*
 * Add a step with a zone that the query names; NULL if it is not known what it stands for. A name
 * without a slash may be an abbreviation: then all that is known is how far from UTC it can be.
 */
static List *
add_zone_step(List *steps, StepKind kind, Node *named)
{
	const char *name = constant_text(named);
	Step	   *step;

	if (name == NULL || *name == '\0')
		return NIL;
	steps = add_step(steps, kind);
	step = llast(steps);
	step->in_session = false;
	if (strchr(name, '/') != NULL)
	{
		step->zone = pg_tzset(name);
		return step->zone == NULL ? NIL : steps;
	}
	for (const char *letter = name; *letter != '\0'; letter++)
		if (!isalpha((unsigned char) *letter) && *letter != '_')
			return NIL;
	return steps;
}

/* Add a step to the first moment of a unit; NIL if it is not known. */
static List *
add_unit_step(List *steps, Node *named)
{
	const char *name = constant_text(named);

	for (int i = 0; name != NULL && i < (int) lengthof(units); i++)
		if (pg_strcasecmp(name, units[i].name) == 0)
		{
			Step	   *step = llast(steps = add_step(steps, STEP_UNIT));

			step->unit = units[i].name;
			step->length = units[i].length;
			return steps;
		}
	return NIL;
}

/* Add a step from a field of a time; NIL for one that names no range. */
static List *
add_field_step(List *steps, Node *named, bool of_moment)
{
	const char *name = constant_text(named);

	if (name == NULL)
		return NIL;
	if (pg_strcasecmp(name, "epoch") == 0)
		return add_step(steps, STEP_EPOCH);
	if (pg_strcasecmp(name, "year") != 0 && pg_strcasecmp(name, "isoyear") != 0)
		return NIL;
	steps = add_step(steps, STEP_YEAR);
	((Step *) llast(steps))->length = pg_strcasecmp(name, "year") == 0 ? 0 : 7 * USECS_PER_DAY;
	return of_moment ? add_step(steps, STEP_LOCAL) : steps;
}

/* Add the steps of date_trunc() of a timestamptz. "zone" is NULL for the session's. */
static List *
add_trunc_steps(List *steps, Node *unit, Node *zone)
{
	steps = zone == NULL ? add_step(steps, STEP_MOMENT) : add_zone_step(steps, STEP_MOMENT, zone);
	if (steps != NIL)
		steps = add_unit_step(steps, unit);
	if (steps == NIL)
		return NIL;
	return zone == NULL ? add_step(steps, STEP_LOCAL) : add_zone_step(steps, STEP_LOCAL, zone);
}

/*
 * Add the steps of a function's call, and find the argument that they lead to; false if it is none
 * of which something is known.
 */
static bool
add_call(FuncExpr *call, List **steps, Node **argument)
{
	Node	   *first = linitial(call->args);
	Node	   *second = list_length(call->args) > 1 ? lsecond(call->args) : NULL;
	Node	   *third = list_length(call->args) > 2 ? lthird(call->args) : NULL;

	*argument = second == NULL ? first : second;
	switch (call->funcid)
	{
		case F_TIMESTAMP_DATE:	/* the day's first moment, which a date is here anyway */
		case F_INT2_NUMERIC:	/* of whole numbers, or of an epoch, which may be wrong by one */
		case F_INT4_NUMERIC:
		case F_INT8_NUMERIC:
		case F_INT2_FLOAT8:
		case F_INT4_FLOAT8:
		case F_INT8_FLOAT8:
		case F_FLOAT8_NUMERIC:
		case F_NUMERIC_FLOAT8:
			return true;
		case F_DATE_TIMESTAMP:
			*steps = add_step(*steps, STEP_DAY);
			break;
		case F_DATE_TIMESTAMPTZ:
			*steps = add_step(add_step(*steps, STEP_DAY), STEP_LOCAL);
			break;
		case F_TIMESTAMP_TIMESTAMPTZ:
			*steps = add_step(*steps, STEP_LOCAL);
			break;
		case F_TIMESTAMPTZ_DATE:
		case F_TIMESTAMPTZ_TIMESTAMP:
			*steps = add_step(*steps, STEP_MOMENT);
			break;
		case F_TIMEZONE_TEXT_TIMESTAMPTZ:
			*steps = add_zone_step(*steps, STEP_LOCAL, first);
			break;
		case F_TIMEZONE_TEXT_TIMESTAMP:
			*steps = add_zone_step(*steps, STEP_MOMENT, first);
			break;
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
			*steps = add_unit_step(*steps, first);
			break;
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT:
			*steps = add_trunc_steps(*steps, first, third);
			break;
		case F_DATE_PART_TEXT_TIMESTAMP:
		case F_EXTRACT_TEXT_TIMESTAMP:
		case F_EXTRACT_TEXT_DATE:
			*steps = add_field_step(*steps, first, false);
			break;
		case F_DATE_PART_TEXT_TIMESTAMPTZ:
		case F_EXTRACT_TEXT_TIMESTAMPTZ:
			*steps = add_field_step(*steps, first, true);
			break;
		default:
			return false;
	}
	return *steps != NIL;
}

/*
 * The column that an expression is made of, of type timestamptz, and the steps to it; or NULL.
 */
static Var *
find_steps(Index relid, Node *node, List **steps)
{
	while (IsA(node, FuncExpr))
		if (!add_call((FuncExpr *) node, steps, &node))
			return NULL;
	if (!IsA(node, Var) || *steps == NIL || exprType(node) != TIMESTAMPTZOID)
		return NULL;
	return column_of(relid, node);
}

/* The column of lower(column), or NULL. */
static Var *
lower_column(Index relid, Node *node)
{
	FuncExpr   *call = (FuncExpr *) node;

	if (!IsA(node, FuncExpr) || call->funcid != F_LOWER_TEXT)
		return NULL;
	return column_of(relid, linitial(call->args));
}

static bool
is_order(const char *name)
{
	static const char *const names[] = {"=", "<", "<=", ">", ">="};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/*
 * The qual that is implied by a comparison of an expression with a value, or with those of an
 * array; NULL if nothing is known to be implied.
 */
static ScanQual *
comparison_to_implied(Index relid, Node *expression, Oid operator, Oid collation, Node *value,
					  bool is_array)
{
	Implied    *implied = palloc0(sizeof(Implied));
	const char *name = OidIsValid(operator) ? get_opname(operator) : NULL;
	Oid			type = exprType(value);
	Var		   *column;
	ScanQual   *qual;

	if (name == NULL || !is_plain(expression, operator, collation) || !is_scan_constant(value))
		return NULL;
	if (is_array)
		type = get_element_type(type);
	implied->type = exprType(expression);
	column = lower_column(relid, expression);
	if (column != NULL)
	{
		implied->folded = true;
		implied->comparison = *name;
		if (type != TEXTOID || is_array || (strcmp(name, "=") != 0 && strcmp(name, "~~") != 0))
			return NULL;
	}
	else
	{
		column = find_steps(relid, expression, &implied->steps);
		implied->comparison = *name;
		implied->strict = name[1] == '\0' && *name != '=';
		if (column == NULL || !is_order(name) ||
			is_time(type) != is_time(implied->type) ||
			(!is_time(type) && !(is_number(type) && is_number(implied->type))))
			return NULL;
	}
	qual = palloc0(sizeof(ScanQual));
	qual->attno = column->varattno;
	qual->operator = implied->folded ? "~~*" : NULL;	/* of a range: two */
	qual->value = (Expr *) value;
	qual->is_array = is_array;
	qual->strict = true;
	qual->plain = true;
	qual->implied = implied;
	return qual;
}

/*
 * What is implied by a clause that has no form as a qual; NULL if nothing is known.
 */
ScanQual *
implied_qual(Index relid, Expr *clause)
{
	OpExpr	   *comparison = (OpExpr *) clause;
	ScalarArrayOpExpr *membership = (ScalarArrayOpExpr *) clause;
	Node	   *left;
	Node	   *right;

	if (!implied_conditions)
		return NULL;
	if (IsA(clause, ScalarArrayOpExpr) && membership->useOr)
		return strcmp(get_opname(membership->opno), "=") != 0 ? NULL :
			comparison_to_implied(relid, linitial(membership->args), membership->opno,
								  membership->inputcollid, lsecond(membership->args), true);
	if (!IsA(clause, OpExpr) || list_length(comparison->args) != 2)
		return NULL;
	left = linitial(comparison->args);
	right = lsecond(comparison->args);
	if (contain_var_clause(left))
		return comparison_to_implied(relid, left, comparison->opno, comparison->inputcollid, right,
									 false);
	return comparison_to_implied(relid, right, get_commutator(comparison->opno),
								 comparison->inputcollid, left, false);
}

/*
 * From a value to a range.
 */

/* The range of what is compared with one value. */
static Range
value_range(const Implied *implied, Datum value, Oid type)
{
	Range		range = is_time(type) ? time_range(value, type, implied->type, implied->strict) :
		number_range(value, type, implied->strict);

	if (implied->comparison == '<')
		range.low = NO_LOW;
	if (implied->comparison == '>')
		range.high = NO_HIGH;
	return range;
}

/* The range of a column that follows from the value of a qual, which is not NULL. */
static Range
column_range(const ScanQual *qual, Datum value)
{
	Oid			type = exprType((Node *) qual->value);
	Range		range = {NO_HIGH, NO_LOW};	/* nothing */
	ArrayIterator iterator;
	bool		isnull;
	ListCell   *lc;

	if (!qual->is_array)
		range = value_range(qual->implied, value, type);
	else
	{
		type = get_element_type(type);
		iterator = array_create_iterator(DatumGetArrayTypeP(value), 0, NULL);
		while (array_iterate(iterator, &value, &isnull))
		{
			Range		one;

			if (isnull)
				continue;
			one = value_range(qual->implied, value, type);
			range.low = Min(range.low, one.low);
			range.high = Max(range.high, one.high);
		}
		array_free_iterator(iterator);
		if (range.low == NO_HIGH && range.high == NO_LOW)
			range = (Range) {NO_LOW, NO_HIGH};	/* without elements, which is the clause's to say */
	}
	foreach(lc, qual->implied->steps)
		take_step(lfirst(lc), &range);
	keep_in_calendar(&range);
	return range;
}

/*
 * To Python.
 */

/* A pattern that matches just this text, for ILIKE. */
static PyObject *
text_to_pattern(const char *wanted)
{
	StringInfoData pattern;

	initStringInfo(&pattern);
	for (; *wanted != '\0'; wanted++)
	{
		if (strchr("\\%_", *wanted) != NULL)
			appendStringInfoChar(&pattern, '\\');
		appendStringInfoChar(&pattern, *wanted);
	}
	return server_string_to_python(pattern.data);
}

static void
append_end(PyObject *list, const ScanQual *qual, char *operator, int64 time)
{
	ScanQual	end = *qual;
	Datum		datum = TimestampTzGetDatum(time);

	if (time == NO_LOW || time == NO_HIGH)
		return;
	end.operator = operator;
	end.is_array = false;
	py_append(list, qual_to_python(&end, datum_to_python(datum, TIMESTAMPTZOID, false),
								   py_own(PyLong_FromLongLong(time))));
}

/*
 * Append to a list of quals those that a value implies, which is not NULL.
 */
void
append_implied(PyObject *list, const ScanQual *qual, Datum value)
{
	Range		range;

	if (qual->implied->folded)
	{
		char	   *wanted = TextDatumGetCString(value);

		py_append(list, qual_to_python(qual, qual->implied->comparison == '=' ?
									   text_to_pattern(wanted) : server_string_to_python(wanted),
									   Py_None));
		return;
	}
	range = column_range(qual, value);
	append_end(list, qual, ">=", range.low);
	append_end(list, qual, "<=", range.high);
}

/*
 * The same for EXPLAIN, where the value is not known.
 */
void
append_implied_placeholders(PyObject *list, const ScanQual *qual)
{
	ScanQual	end = *qual;

	end.is_array = false;
	if (qual->implied->folded)
		py_append(list, qual_to_python(&end, placeholder_to_python(TEXTOID), Py_None));
	else
	{
		PyObject   *time = placeholder_to_python(TIMESTAMPTZOID);

		end.operator = ">=";
		if (qual->implied->comparison != '<')
			py_append(list, qual_to_python(&end, time, Py_None));
		end.operator = "<=";
		if (qual->implied->comparison != '>')
			py_append(list, qual_to_python(&end, time, Py_None));
	}
}
