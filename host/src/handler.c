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

	routine->GetForeignRelSize = get_foreign_rel_size;
	routine->GetForeignPaths = get_foreign_paths;
	routine->GetForeignUpperPaths = get_foreign_upper_paths;
	routine->GetForeignPlan = get_foreign_plan;

	routine->BeginForeignScan = begin_foreign_scan;
	routine->IterateForeignScan = iterate_foreign_scan;
	routine->ReScanForeignScan = rescan_foreign_scan;
	routine->EndForeignScan = end_foreign_scan;
	routine->ExplainForeignScan = explain_foreign_scan;

	routine->AddForeignUpdateTargets = add_foreign_update_targets;
	routine->BeginForeignModify = begin_foreign_modify;
	routine->GetForeignModifyBatchSize = get_foreign_modify_batch_size;
	routine->ExecForeignInsert = exec_foreign_insert;
	routine->ExecForeignBatchInsert = exec_foreign_batch_insert;
	routine->ExecForeignUpdate = exec_foreign_update;
	routine->ExecForeignDelete = exec_foreign_delete;
	routine->EndForeignModify = end_foreign_modify;

	/* COPY FROM, and rows routed to a partition */
	routine->BeginForeignInsert = begin_foreign_insert;
	routine->EndForeignInsert = end_foreign_modify;

	routine->ImportForeignSchema = import_foreign_schema;

	PG_RETURN_POINTER(routine);
}
