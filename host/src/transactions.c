/*
 * Telling the instances in use of the transaction and its subtransactions.
 */
#include "multicorn.h"

#include "access/xact.h"

dlist_head	participants = DLIST_STATIC_INIT(participants);

/*
 * Call a hook with no or one argument. Returns false if it raised.
 */
static bool
call_hook(Instance *instance, const char *hook, int level)
{
	PyObject   *result;

	if (level == 0)
		result = PyObject_CallMethod(instance->object, hook, NULL);
	else
		result = PyObject_CallMethod(instance->object, hook, "i", level);
	Py_XDECREF(result);
	return result != NULL;
}

/*
 * Bring an instance that is about to be used up to the current transaction.
 */
void
instance_begin(Instance *instance)
{
	int			level = GetCurrentTransactionNestLevel();

	if (instance->depth == 0)
	{
		py_own(PyObject_CallMethod(instance->object, "begin", "i",
								   IsolationIsSerializable() ? 1 : 0));
		instance->depth = 1;
		instance->modified = false;
		dlist_push_tail(&participants, &instance->node);
	}
	while (instance->depth < level)
	{
		/* Counted before: one that failed half-way is rolled back. */
		instance->depth++;
		if (!call_hook(instance, "sub_begin", instance->depth))
			py_throw();
	}
}

/*
 * Before the commit a hook may still fail, and the transaction with it.
 */
static void
before_commit(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &participants)
	{
		if (!call_hook(dlist_container(Instance, node, iter.cur), "pre_commit", 0))
			py_throw();
	}
}

/*
 * After the commit, or while aborting, PostgreSQL cannot take an error any more.
 */
static void
after_end(const char *hook)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &participants)
	{
		Instance   *instance = dlist_container(Instance, node, iter.cur);

		if (!call_hook(instance, hook, 0))
			py_warn();
		instance->depth = 0;
		dlist_delete(&instance->node);
		instance_free_if_retired(instance);
	}
}

/*
 * A prepared transaction may be committed by another backend, which has not the instances. One
 * that only read has nothing left to commit.
 */
static void
before_prepare(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &participants)
	{
		if (dlist_container(Instance, node, iter.cur)->modified)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has changed multicorn foreign tables")));
	}
	before_commit();
}

static void
xact_callback(XactEvent event, void *arg)
{
	(void) arg;
	if (dlist_is_empty(&participants))
		return;
	PY_BEGIN();
	{
		switch (event)
		{
			case XACT_EVENT_PRE_COMMIT:
				before_commit();
				break;
			case XACT_EVENT_PRE_PREPARE:
				before_prepare();
				break;
			case XACT_EVENT_COMMIT:
			case XACT_EVENT_PREPARE:
				after_end("commit");
				break;
			case XACT_EVENT_ABORT:
				after_end("rollback");
				break;
			default:			/* parallel workers do not run foreign scans */
				break;
		}
	}
	PY_END();
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	dlist_iter	iter;

	(void) subid;
	(void) parent;
	(void) arg;
	if ((event != SUBXACT_EVENT_PRE_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB) ||
		dlist_is_empty(&participants))
		return;
	PY_BEGIN();
	{
		dlist_foreach(iter, &participants)
		{
			Instance   *instance = dlist_container(Instance, node, iter.cur);

			if (instance->depth < level)
				continue;
			if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
			{
				if (!call_hook(instance, "sub_commit", level))
					py_throw();
			}
			else if (!call_hook(instance, "sub_rollback", level))
				py_warn();
			instance->depth = level - 1;
		}
	}
	PY_END();
}

void
transactions_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
