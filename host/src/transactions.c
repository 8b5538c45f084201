/*
 * Telling the instances in use of the transaction and its subtransactions: which these are, and
 * what is told, is in multicorn/_transactions.py.
 */
#include "multicorn.h"

#include "access/xact.h"

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

void
transactions_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
