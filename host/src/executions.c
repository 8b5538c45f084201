/*
 * The executions of queries that are under way, as multicorn.Execution shows them to wrappers.
 */
#include "multicorn.h"

#include "nodes/execnodes.h"
#include "nodes/plannodes.h"

typedef struct OpenExecution
{
	MemoryContextCallback callback;
	EState	   *state;
	PyObject   *object;			/* a reference of its own */
	struct OpenExecution *next;
} OpenExecution;

static OpenExecution *open_executions = NULL;

/*
 * Called when the memory of the execution goes, however it ended.
 */
static void
forget_execution(void *arg)
{
	OpenExecution *ended = arg;
	OpenExecution **link = &open_executions;
	int			mark = py_enter();

	while (*link != ended)
		link = &(*link)->next;
	*link = ended->next;
	Py_DECREF(ended->object);
	py_leave(mark);
}

/*
 * Whether the query changes rows, or locks them to be changed. COPY FROM has no plan.
 */
static bool
may_write(const EState *state)
{
	const PlannedStmt *plan = state->es_plannedstmt;

	return plan == NULL || plan->commandType != CMD_SELECT || plan->hasModifyingCTE ||
		plan->rowMarks != NIL;
}

/*
 * The Python object of a new execution. A query within a STABLE or IMMUTABLE function sees its
 * caller's snapshot, and shares the object with it; one within a VOLATILE function has a snapshot
 * of its own. A snapshot lasts as long as the executions that hold it, so that its address tells.
 */
static PyObject *
make_execution(const EState *state)
{
	bool		writes = may_write(state);

	for (OpenExecution *other = open_executions; other != NULL; other = other->next)
	{
		if (state->es_snapshot != NULL && other->state->es_snapshot == state->es_snapshot)
			return other->object;
		writes = writes || may_write(other->state);
	}
	return py_call(py_host, "Execution", "(O)", writes ? Py_True : Py_False);
}

/*
 * Whether an execution changes rows, or runs while one is open that does; as the wrappers are told.
 */
bool
execution_may_write(EState *state)
{
	bool		writes = may_write(state);

	for (OpenExecution *other = open_executions; other != NULL; other = other->next)
		writes = writes || may_write(other->state);
	return writes;
}

PyObject *
execution_get(EState *state)
{
	OpenExecution *execution = open_executions;

	while (execution != NULL && execution->state != state)
		execution = execution->next;
	if (execution == NULL)
	{
		PyObject   *object = make_execution(state);

		execution = MemoryContextAllocZero(state->es_query_cxt, sizeof(OpenExecution));
		execution->state = state;
		execution->object = Py_NewRef(object);
		execution->next = open_executions;
		execution->callback.func = forget_execution;
		execution->callback.arg = execution;
		open_executions = execution;
		MemoryContextRegisterResetCallback(state->es_query_cxt, &execution->callback);
	}
	return execution->object;
}
