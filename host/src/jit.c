/*
 * Compiling of expressions. PostgreSQL compiles those of a statement that costs more than
 * jit_above_cost, which takes a tenth of a second or more. It pays where many rows pass through
 * them. The costs of this host's tables are mostly those of waiting for answers, in which nothing
 * is left to compile: statements that read such tables are not compiled.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "jit/jit.h"

#include "multicorn.h"

static ExecutorStart_hook_type next_start = NULL;

static bool
reads_our_tables(PlannedStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_FOREIGN_TABLE &&
			is_our_table(entry->relid))
			return true;
	}
	return false;
}

static void
before_start(QueryDesc *query, int eflags)
{
	if (query->plannedstmt->jitFlags != PGJIT_NONE && reads_our_tables(query->plannedstmt))
	{
		/* A plan may be kept for other executions, and is not to be changed by one of them. */
		PlannedStmt *statement = palloc(sizeof(PlannedStmt));

		*statement = *query->plannedstmt;
		statement->jitFlags = PGJIT_NONE;
		query->plannedstmt = statement;
	}
	if (next_start != NULL)
		next_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void
jit_init(void)
{
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = before_start;
}
