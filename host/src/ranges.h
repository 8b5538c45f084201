/*
 * Ranges of times and numbers, and how they pass through functions: ranges.c.
 */
#ifndef MULTICORN_RANGES_H
#define MULTICORN_RANGES_H

#include "postgres.h"

#include "pgtime.h"

#pragma GCC visibility push(hidden)

/*
 * Both ends belong to a range: microseconds since 2000, of a moment or of what a clock shows then,
 * or whole numbers. These stand for no end.
 */
typedef struct Range
{
	int64		low;
	int64		high;
} Range;

#define NO_LOW PG_INT64_MIN
#define NO_HIGH PG_INT64_MAX

/* What a function makes of its argument. */
typedef enum StepKind
{
	STEP_LOCAL,					/* of a moment: what the clocks show */
	STEP_MOMENT,				/* the other way round */
	STEP_DAY,					/* of a timestamp: its day's first moment */
	STEP_UNIT,					/* of a timestamp: the first moment of a unit, such as the month */
	STEP_YEAR,					/* of a timestamp: a number */
	STEP_EPOCH					/* of a time: seconds since 1970 */
} StepKind;

typedef struct Step
{
	StepKind	kind;
	bool		in_session;		/* STEP_LOCAL, STEP_MOMENT: the zone is the session's, */
	pg_tz	   *zone;			/* or this one, or with NULL any that has a name */
	const char *unit;			/* STEP_UNIT */
	int64		length;			/* the unit's at most; of STEP_YEAR, how far from the calendar's */
} Step;

extern bool is_time(Oid type);
extern bool is_number(Oid type);
extern Range time_range(Datum value, Oid value_type, Oid type, bool strict);
extern Range number_range(Datum value, Oid type, bool strict);
extern void take_step(const Step *step, Range *range);
extern void keep_in_calendar(Range *range);

#pragma GCC visibility pop

#endif
