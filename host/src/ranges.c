/*
 * Ranges of times and numbers: from a value, and from what a function gives to what it is given.
 *
 * A range may become wider than it has to be, and never narrower.
 */
#include "ranges.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* The years 1 to 9999. An end outside of them is none. */
#define FIRST_TIME INT64CONST(-63082281600000000)
#define LAST_TIME INT64CONST(252455615999999999)

/* No zone's offset is further from UTC: see tzdata, and the limits of abbreviations. */
#define MOST_OFFSET (16 * SECS_PER_HOUR)
/* A zone that is written by its rules is at most a week from UTC, so that this is beyond doubt. */
#define SPAN (31 * (pg_time_t) SECS_PER_DAY)

/*
 * The offsets from UTC, in microseconds, that a zone has within a month of a time. How far the time
 * is from being one of UTC does not matter. False if they are not known.
 */
static bool
offsets_near(const Step *step, int64 time, int64 *least, int64 *most)
{
	const pg_tz *zone = step->in_session ? session_timezone : step->zone;
	pg_time_t	at = timestamptz_to_time_t(time) - SPAN;
	const pg_time_t end = at + 2 * SPAN;
	long int	low = MOST_OFFSET;
	long int	high = -MOST_OFFSET;

	if (zone == NULL)
	{
		*least = -MOST_OFFSET * USECS_PER_SEC;
		*most = MOST_OFFSET * USECS_PER_SEC;
		return true;
	}
	for (int i = 0; i < 100; i++)
	{
		pg_time_t	boundary;
		long int	before;
		long int	after;
		int			is_dst;
		int			known = pg_next_dst_boundary(&at, &before, &is_dst, &boundary, &after, &is_dst,
												 zone);

		if (known < 0)
			return false;
		low = i == 0 ? before : Min(low, before);
		high = i == 0 ? before : Max(high, before);
		if (known == 0 || boundary > end)
		{
			*least = low * USECS_PER_SEC;
			*most = high * USECS_PER_SEC;
			return true;
		}
		low = Min(low, after);
		high = Max(high, after);
		at = boundary;
	}
	return false;
}

/* Take ends outside of the calendar for none, and put those that leave nothing at its border. */
void
keep_in_calendar(Range *range)
{
	range->low = range->low < FIRST_TIME ? NO_LOW : Min(range->low, LAST_TIME);
	range->high = range->high > LAST_TIME ? NO_HIGH : Max(range->high, FIRST_TIME);
}

static void
widen(Range *range, int64 low, int64 high)
{
	if (range->low != NO_LOW)
		range->low += low;
	if (range->high != NO_HIGH)
		range->high += high;
}

/* Add, or take away, the offsets of a zone, whichever make the range wider. */
static void
pass_zone(const Step *step, Range *range)
{
	Range		passed = *range;
	int64		least;
	int64		most;

	if (range->low != NO_LOW)
		passed.low = !offsets_near(step, range->low, &least, &most) ? NO_LOW :
			step->kind == STEP_LOCAL ? range->low - most : range->low + least;
	if (range->high != NO_HIGH)
		passed.high = !offsets_near(step, range->high, &least, &most) ? NO_HIGH :
			step->kind == STEP_LOCAL ? range->high - least : range->high + most;
	*range = passed;
}

static int64
start_of_year(int64 year)
{
	return (int64) (date2j((int) year, 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
}

/* From a range of years to one of times. There is no year 0, and those before are negative. */
static void
years_to_times(Range *range)
{
	if (range->low != NO_LOW)
		range->low = range->low <= 1 ? NO_LOW :
			range->low > 9999 ? LAST_TIME : start_of_year(range->low);
	if (range->high != NO_HIGH)
		range->high = range->high >= 9999 ? NO_HIGH :
			range->high < 1 ? FIRST_TIME : start_of_year(range->high + 1);
}

/* From a range of seconds since 1970, which may be wrong by one, to one of times. */
static void
epoch_to_times(Range *range)
{
	const int64 shift = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	const int64 first = FIRST_TIME / USECS_PER_SEC + shift;
	const int64 last = LAST_TIME / USECS_PER_SEC + shift;

	if (range->low != NO_LOW)
		range->low = range->low < first ? NO_LOW :
			(Min(range->low, last) - shift - 1) * USECS_PER_SEC;
	if (range->high != NO_HIGH)
		range->high = range->high > last ? NO_HIGH :
			(Max(range->high, first) - shift + 1) * USECS_PER_SEC;
}

/* The last time up to this one at which a unit begins. */
static int64
start_of_unit(const char *unit, int64 time)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_trunc, CStringGetTextDatum(unit),
												 TimestampGetDatum(time)));
}

/* From the range of what a function gives to that of what it is given. */
void
take_step(const Step *step, Range *range)
{
	const char *unit = step->kind == STEP_DAY ? "day" : step->unit;

	if (step->kind == STEP_YEAR)
		years_to_times(range);
	else if (step->kind == STEP_EPOCH)
		epoch_to_times(range);
	keep_in_calendar(range);
	switch (step->kind)
	{
		case STEP_LOCAL:
		case STEP_MOMENT:
			pass_zone(step, range);
			break;
		case STEP_DAY:
		case STEP_UNIT:
			/* Of "< '2024-05-01'" the last day is that of the moment before. */
			if (range->high != NO_HIGH)
				range->high = start_of_unit(unit, range->high);
			if (step->kind == STEP_DAY && range->low != NO_LOW)
				range->low = start_of_unit(unit, range->low + USECS_PER_DAY - 1);
			widen(range, 0, step->kind == STEP_DAY ? USECS_PER_DAY : step->length);
			break;
		case STEP_YEAR:
			widen(range, -step->length, step->length);
			break;
		case STEP_EPOCH:
			break;
	}
}

bool
is_time(Oid type)
{
	return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

bool
is_number(Oid type)
{
	switch (type)
	{
		case NUMERICOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
			return true;
		default:
			return false;
	}
}

static double
number_of(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case FLOAT8OID:
			return DatumGetFloat8(value);
		default:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
	}
}

/* A number as a range of the whole ones that are equal to it, or "strict" is of those that are not. */
Range
number_range(Datum value, Oid type, bool strict)
{
	double		number = number_of(value, type);
	double		down = floor(number);
	double		up = ceil(number);
	const double far = 1e15;
	Range		range = {NO_LOW, NO_HIGH};

	if (isnan(number))
		return range;
	if (type == NUMERICOID)		/* a double may not hold its digits, but the whole ones beside it */
	{
		down = number_of(DirectFunctionCall1(numeric_floor, value), type);
		up = number_of(DirectFunctionCall1(numeric_ceil, value), type);
	}
	down = Max(-far, Min(down, far));
	up = Max(-far, Min(up, far));
	range.low = (int64) (strict ? down + 1 : up);
	range.high = (int64) (strict ? up - 1 : down);
	return range;
}

/*
 * The times that are equal to a value in a comparison with a "type": a moment for a timestamptz,
 * and what the clocks show for a timestamp and a date.
 */
Range
time_range(Datum value, Oid value_type, Oid type, bool strict)
{
	static const Step local = {.kind = STEP_LOCAL, .in_session = true};
	static const Step moment = {.kind = STEP_MOMENT, .in_session = true};
	int			overflow = 0;
	int64		time;
	Range		range;

	if (value_type == DATEOID)
		time = date2timestamp_opt_overflow(DatumGetDateADT(value), &overflow);
	else
		time = DatumGetTimestamp(value);
	range.low = strict && time < PG_INT64_MAX ? time + 1 : time;
	range.high = strict && time > PG_INT64_MIN ? time - 1 : time;
	keep_in_calendar(&range);
	/* A date or a timestamp is compared with a timestamptz as one of the session's zone. */
	if ((value_type == TIMESTAMPTZOID) != (type == TIMESTAMPTZOID))
		pass_zone(type == TIMESTAMPTZOID ? &local : &moment, &range);
	return range;
}
