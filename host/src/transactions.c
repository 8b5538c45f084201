/*
 * Telling the instances in use of the transaction and its subtransactions: which these are, and
 * what is told, is in multicorn/_transactions.py.
 */
#include "multicorn.h"

#include "access/xact.h"
#include "tcop/utility.h"

/* Whether an instance may have been told of this transaction. */
static bool taking_part = false;

void
transaction_take_part(void)
{
	taking_part = true;
}

static void
tell(const char *event)
{
	PY_BEGIN();
	{
		py_call(py_host, "transaction_event", "(si)", event, GetCurrentTransactionNestLevel());
	}
	PY_END();
}

static void
xact_callback(XactEvent event, void *arg pg_attribute_unused())
{
	if (!taking_part)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			tell("pre_commit");
			break;
		case XACT_EVENT_PRE_PREPARE:
			tell("prepare");
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			taking_part = false;
			tell("commit");
			break;
		case XACT_EVENT_ABORT:
			taking_part = false;
			tell("rollback");
			break;
		default:				/* parallel workers do not run foreign scans */
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid pg_attribute_unused(),
				 SubTransactionId parent pg_attribute_unused(), void *arg pg_attribute_unused())
{
	if (!taking_part)
		return;
	if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
		tell("sub_commit");
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		tell("sub_rollback");
}

static ProcessUtility_hook_type next_utility = NULL;

/*
 * Whether a command takes back all of the transaction; so does the end of a failed one.
 */
static bool
is_rollback(Node *command)
{
	TransactionStmtKind kind;

	if (!IsA(command, TransactionStmt))
		return false;
	kind = ((TransactionStmt *) command)->kind;
	return kind == TRANS_STMT_ROLLBACK ||
		((kind == TRANS_STMT_COMMIT || kind == TRANS_STMT_PREPARE) &&
		 IsAbortedTransactionBlockState());
}

/*
 * PostgreSQL tells of a rollback by its savepoints first, the innermost one before the others, as
 * if each were rolled back to. Whether all of them will be, the command says.
 */
static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *dest, QueryCompletion *completion)
{
	if (taking_part && is_rollback(statement->utilityStmt))
		tell("begin_rollback");
	(next_utility != NULL ? next_utility : standard_ProcessUtility)
		(statement, text, read_only_tree, context, params, environment, dest, completion);
}

void
transactions_init(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
