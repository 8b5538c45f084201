/*
 * Where PostgreSQL finds the host: the library's magic and the table of FDW callbacks.
 */
#include "multicorn.h"

PG_MODULE_MAGIC;

PGDLLEXPORT Datum multicorn_handler(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(multicorn_handler);

Datum
multicorn_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	(void) fcinfo;
	planning_callbacks(routine);
	scanning_callbacks(routine);
	modifying_callbacks(routine);
	import_callbacks(routine);
	PG_RETURN_POINTER(routine);
}
