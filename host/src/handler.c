/*
 * Where PostgreSQL finds the host: the library's magic and the table of FDW callbacks.
 */
#include "multicorn.h"

#include "utils/guc.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

PG_FUNCTION_INFO_V1(multicorn_handler);

/* The library is loaded by the postmaster, at the start of a session, or at its first use. */
void
_PG_init(void)
{
	/* Their settings first: labels_init() declares those that are left over unknown. */
	implied_init();
	batched_join_init();
	labels_init();
	jit_init();
	starting_init();
	explaining_init();
	preload_init();

	/* Settings of this name that there are not. */
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved("multicorn");
#else
	EmitWarningsOnPlaceholders("multicorn");
#endif
}

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
