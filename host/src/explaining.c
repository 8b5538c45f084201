/*
 * Whether a plan is made only to be shown: by EXPLAIN without ANALYZE. Then a wrapper should ask
 * nobody for anything, since nothing of what is planned will be run.
 */
#include "multicorn.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/portal.h"

static ProcessUtility_hook_type next_utility = NULL;
static bool explaining = false;

/* The statement of the client that has had this library loaded, by when it began. */
static TimestampTz loaded_by;

static bool
only_explains(Node *command)
{
	bool		analyze = false;
	ListCell   *lc;

	if (command == NULL || !IsA(command, ExplainStmt))
		return false;
	foreach(lc, ((ExplainStmt *) command)->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "analyze") == 0)
			analyze = defGetBoolean(option);
	}
	return !analyze;
}

static bool
runs_what_it_explains(Portal portal)
{
	PlannedStmt *statement = portal->stmts == NIL ? NULL : linitial_node(PlannedStmt, portal->stmts);

	return statement != NULL && statement->utilityStmt != NULL &&
		IsA(statement->utilityStmt, ExplainStmt) && !only_explains(statement->utilityStmt);
}

/*
 * Whether what is being planned may be for EXPLAIN alone. The command that has had this library
 * loaded did not come by the hook: there a plan counts as one for EXPLAIN unless it is known to be
 * none. The plan of a client's own statement is made before there is a portal.
 */
bool
plans_only(void)
{
	if (!explaining && ActivePortal != NULL && GetCurrentStatementStartTimestamp() == loaded_by)
		return !runs_what_it_explains(ActivePortal);
	return explaining;
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *dest, QueryCompletion *completion)
{
	ProcessUtility_hook_type next = next_utility != NULL ? next_utility : standard_ProcessUtility;
	const bool	before = explaining;

	if (!IsA(statement->utilityStmt, ExplainStmt))
	{
		next(statement, text, read_only_tree, context, params, environment, dest, completion);
		return;
	}
	explaining = only_explains(statement->utilityStmt);
	PG_TRY();
	{
		next(statement, text, read_only_tree, context, params, environment, dest, completion);
	}
	PG_FINALLY();
	{
		explaining = before;
	}
	PG_END_TRY();
}

void
explaining_init(void)
{
	loaded_by = GetCurrentStatementStartTimestamp();
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
