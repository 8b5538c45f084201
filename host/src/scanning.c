/*
 * Running a scan, and explaining it.
 */
#include "multicorn.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "utils/rel.h"

typedef struct RunningScan
{
	PyHolder	instance;
	PyHolder	execution;		/* of the query; not for EXPLAIN alone */
	PyHolder	plan_node;		/* a dict of the wrapper's; not for EXPLAIN alone */
	PyHolder	iterator;
	RowConverter *converter;
	bool		with_ctid;
	List	   *quals;			/* of ScanQual */
	bool		ahead;			/* the iterator was made before a row was wanted, and is untouched */
	KeyLists   *lists;			/* NULL if it is never asked for the keys of several rows at once */
	bool		finished;
} RunningScan;

static TupleTableSlot *iterate_foreign_scan(ForeignScanState *node);

static void
begin_foreign_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);
	Relation	relation = node->ss.ss_currentRelation;
	RunningScan *scan = palloc0(sizeof(RunningScan));
	Bitmapset  *columns = bms_make_singleton(0);	/* none, which NULL is not */
	ListCell   *lc;

	py_holder_init(&scan->instance, CurrentMemoryContext);
	py_holder_init(&scan->execution, CurrentMemoryContext);
	py_holder_init(&scan->plan_node, CurrentMemoryContext);
	py_holder_init(&scan->iterator, CurrentMemoryContext);
	foreach(lc, list_nth(plan->fdw_private, PRIVATE_COLUMNS))
	{
		if (lfirst_int(lc) == SelfItemPointerAttributeNumber)
			scan->with_ctid = true;
		else
			columns = bms_add_member(columns, lfirst_int(lc));
	}
	foreach(lc, plan->fdw_exprs)
	{
		ScanQual   *qual = clause_to_qual(plan->scan.scanrelid, lfirst(lc));

		if (qual == NULL)
			qual = implied_qual(plan->scan.scanrelid, lfirst(lc));
		if (qual == NULL)
			continue;
		qual->state = ExecInitExpr(qual->value, &node->ss.ps);
		scan->quals = lappend(scan->quals, qual);
	}

	PY_BEGIN();
	{
		py_holder_set(&scan->instance, instance_get(RelationGetRelid(relation),
													   SCAN_CHECK_AS_USER(plan, node->ss.ps.state)));
		if (!(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		{
			py_holder_set(&scan->execution, execution_get(node->ss.ps.state));
			py_holder_set(&scan->plan_node, py_own(PyDict_New()));
		}
		scan->converter = row_converter(relation, columns, scan->with_ctid);
	}
	PY_END();
	node->fdw_state = scan;
}

/*
 * Whether an expression needs a parameter that has its value only while the query runs: of a
 * join or an initial subquery, or of the client in EXPLAIN (GENERIC_PLAN). "context" is the
 * client's parameters, NULL if there are none.
 */
static bool
has_unknown_param(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXEC || context == NULL;
	return expression_tree_walker(node, has_unknown_param, context);
}

/*
 * Quals with their values. None if one can be satisfied by no row, since its value is NULL.
 */
PyObject *
current_quals(ForeignScanState *node, List *quals, bool only_explain)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	PyObject   *list = py_own(PyList_New(0));
	ListCell   *lc;

	foreach(lc, quals)
	{
		ScanQual   *qual = lfirst(lc);

		if (only_explain && has_unknown_param((Node *) qual->value, econtext->ecxt_param_list_info))
			append_placeholder(list, qual);
		else
		{
			bool		isnull;
			Datum		datum = ExecEvalExprSwitchContext(qual->state, econtext, &isnull);

			if (isnull && qual->strict && !only_explain)
				return Py_None;
			append_qual(list, qual, datum, isnull);
		}
	}
	return list;
}

/*
 * The scan as multicorn/_instances.py takes it.
 */
static PyObject *
scan_to_python(ForeignScanState *node, PyObject *quals)
{
	List	   *private = castNode(ForeignScan, node->ss.ps.plan)->fdw_private;

	return py_own(Py_BuildValue("(OOOOOiiiO)", quals,
								int_list_to_python(list_nth(private, PRIVATE_COLUMNS)),
								sort_keys_to_python(list_nth(private, PRIVATE_SORT)),
								limit_to_python(list_nth(private, PRIVATE_LIMIT)),
								limit_to_python(list_nth(private, PRIVATE_OFFSET)),
								(int) intVal(list_nth(private, PRIVATE_MAY_STOP)),
								(int) intVal(list_nth(private, PRIVATE_LIMIT_LEVEL)),
								(int) intVal(list_nth(private, PRIVATE_WANTED_ROWS)),
								int_list_to_python(list_nth(private, PRIVATE_UNSEEN))));
}

/*
 * Whether an expression may do more than give a value: what functions of the database do is theirs
 * to say, and they are not run before their time.
 */
static bool
is_not_ours(Oid function, void *context pg_attribute_unused())
{
	return function >= FirstNormalObjectId;
}

bool
has_own_function(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain) || check_functions_in_node(node, is_not_ours, context))
		return true;
	return expression_tree_walker(node, has_own_function, context);
}

/*
 * Whether a scan is one of this host's, has not begun, and hangs on nothing that comes while the
 * query runs.
 */
bool
can_start_ahead(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;
	void	   *parameters = node->ss.ps.state->es_param_list_info;
	ListCell   *lc;

	if (node->fdwroutine->IterateForeignScan != iterate_foreign_scan || scan == NULL ||
		scan->execution.object == NULL || scan->iterator.object != NULL || scan->finished)
		return false;
	foreach(lc, scan->quals)
	{
		Node	   *value = (Node *) ((ScanQual *) lfirst(lc))->value;

		if (has_unknown_param(value, parameters) || has_own_function(value, NULL))
			return false;
	}
	return true;
}

/*
 * The iterator of the rows that meet these quals, and maybe of others.
 */
PyObject *
start_scan(ForeignScanState *node, PyObject *quals, ScanStart when)
{
	RunningScan *scan = node->fdw_state;

	return py_call(scan->instance.object, "start_scan", "(OOOi)", scan_to_python(node, quals),
				   scan->execution.object, scan->plan_node.object, (int) when);
}

/*
 * Whether the wrapper can begin with scans that are read one after another.
 */
bool
scan_takes_turns(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;
	volatile bool result = false;

	PY_BEGIN();
	{
		result = py_call(scan->instance.object, "takes_turns", "()") == Py_True;
	}
	PY_END();
	return result;
}

/*
 * Read an iterator's next row into a slot. At its end, let go of it and return false.
 */
bool
next_row(ForeignScanState *node, PyHolder *iterator, TupleTableSlot *slot)
{
	RunningScan *scan = node->fdw_state;
	PyObject   *row = PyIter_Next(iterator->object);

	if (row != NULL)
		py_own(row);
	else if (PyErr_Occurred())
		py_throw();

	if (row == NULL || row == Py_None)
	{
		py_holder_set(iterator, NULL);
		return false;
	}
	row_to_slot(scan->converter, row, slot);
	if (scan->with_ctid && !ItemPointerIsValid(&slot->tts_tid))
		throw_no_ctid(node->ss.ss_currentRelation);
	return true;
}

/*
 * Have the wrapper begin with a scan whose rows will be wanted, if it can.
 */
void
start_ahead(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;

	PY_BEGIN();
	{
		if (py_call(scan->instance.object, "can_start_ahead", "()") == Py_True)
		{
			py_holder_set(&scan->iterator,
						  start_scan(node, current_quals(node, scan->quals, false), START_AHEAD));
			scan->ahead = true;
		}
	}
	PY_END();
}

/*
 * Prepare the scan to be asked for the keys of several rows at once, which are made from these
 * parameters. NULL if it is not planned or able to be.
 */
KeyLists *
scan_in_lists(ForeignScanState *node, Bitmapset *params)
{
	RunningScan *scan = node->fdw_state;
	List	   *attnums;

	if (node->fdwroutine->IterateForeignScan != iterate_foreign_scan)
		return NULL;
	attnums = list_nth(castNode(ForeignScan, node->ss.ps.plan)->fdw_private, PRIVATE_LIST_KEY);
	if (attnums == NIL)
		return NULL;
	scan->lists = key_lists_begin(node, scan->quals, attnums, params);
	return scan->lists;
}

/*
 * Have the scan give the rows of other lists from now on.
 */
void
scan_uses_lists(ForeignScanState *node, KeyLists *lists)
{
	((RunningScan *) node->fdw_state)->lists = lists;
}

static TupleTableSlot *
iterate_foreign_scan(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;

	if (scan->lists != NULL && key_lists_in_use(scan->lists))
		return key_lists_next(scan->lists);
	ExecClearTuple(node->ss.ss_ScanTupleSlot);
	if (scan->finished)
		return node->ss.ss_ScanTupleSlot;

	PY_BEGIN();
	{
		if (scan->iterator.object == NULL)
			py_holder_set(&scan->iterator,
						  start_scan(node, current_quals(node, scan->quals, false), START_NOW));
		scan->ahead = false;
		scan->finished = !next_row(node, &scan->iterator, node->ss.ss_ScanTupleSlot);
	}
	PY_END();
	return node->ss.ss_ScanTupleSlot;
}

static void
rescan_foreign_scan(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;

	/* A nested loop says so before the first row, too. */
	if (scan->ahead)
		return;
	if (scan->lists != NULL)
		key_lists_rewind(scan->lists);
	PY_BEGIN();
	{
		py_holder_set(&scan->iterator, NULL);
		scan->finished = false;
	}
	PY_END();
}

/*
 * Not called when the query fails; the holders then let go with the query's memory.
 */
static void
end_foreign_scan(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;

	PY_BEGIN();
	{
		py_call(scan->instance.object, "end_scan", "()");
		py_holder_set(&scan->iterator, NULL);
		py_holder_set(&scan->execution, NULL);
		py_holder_set(&scan->plan_node, NULL);
		py_holder_set(&scan->instance, NULL);
	}
	PY_END();
}

static void
explain_foreign_scan(ForeignScanState *node, ExplainState *es)
{
	RunningScan *scan = node->fdw_state;

	PY_BEGIN();
	{
		PyObject   *plan_node = es->analyze ? scan->plan_node.object : NULL;
		PyObject   *quals = scan->lists != NULL ? key_lists_explained(scan->lists) :
			current_quals(node, scan->quals, true);
		PyObject   *lines = py_call(scan->instance.object, "explain", "(OiOi)",
									scan_to_python(node, quals), es->verbose,
									plan_node != NULL ? plan_node : Py_None, es->timing);

		List	   *properties = NIL;

		for (Py_ssize_t i = 0; i < PyList_GET_SIZE(lines); i++)
		{
			const char *line = python_to_server_string(PyList_GET_ITEM(lines, i));

			if (es->format == EXPLAIN_FORMAT_TEXT)
				ExplainPropertyText("Multicorn", line, es);
			else
				properties = lappend(properties, pstrdup(line));
		}
		/* A key must not be there twice in JSON. */
		if (properties != NIL)
			ExplainPropertyList("Multicorn", properties, es);
	}
	PY_END();
}

void
scanning_callbacks(FdwRoutine *routine)
{
	routine->BeginForeignScan = begin_foreign_scan;
	routine->IterateForeignScan = iterate_foreign_scan;
	routine->ReScanForeignScan = rescan_foreign_scan;
	routine->EndForeignScan = end_foreign_scan;
	routine->ExplainForeignScan = explain_foreign_scan;
}
