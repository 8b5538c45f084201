/*
 * Running a scan, and explaining it.
 */
#include "multicorn.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"

typedef struct RunningScan
{
	PyHolder	instance;
	PyHolder	iterator;
	RowConverter *converter;
	List	   *quals;			/* of ScanQual */
	List	   *sort_keys;
	Const	   *limit;
	Const	   *offset;
	bool		finished;
} RunningScan;

void
begin_foreign_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);
	Relation	relation = node->ss.ss_currentRelation;
	RunningScan *scan = palloc0(sizeof(RunningScan));
	Bitmapset  *columns = bms_make_singleton(0);	/* none, which NULL is not */
	ListCell   *lc;

	(void) eflags;
	py_holder_init(&scan->instance, CurrentMemoryContext);
	py_holder_init(&scan->iterator, CurrentMemoryContext);
	scan->sort_keys = list_nth(plan->fdw_private, PRIVATE_SORT);
	scan->limit = list_nth(plan->fdw_private, PRIVATE_LIMIT);
	scan->offset = list_nth(plan->fdw_private, PRIVATE_OFFSET);
	foreach(lc, list_nth(plan->fdw_private, PRIVATE_COLUMNS))
		columns = bms_add_member(columns, lfirst_int(lc));
	foreach(lc, plan->fdw_exprs)
	{
		ScanQual   *qual = clause_to_qual(plan->scan.scanrelid, lfirst(lc));

		if (qual == NULL)
			continue;
		qual->state = ExecInitExpr(qual->value, &node->ss.ps);
		scan->quals = lappend(scan->quals, qual);
	}

	PY_BEGIN();
	{
		py_holder_set(&scan->instance, instance_get(RelationGetRelid(relation))->object);
		scan->converter = row_converter(relation, columns);
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
 * The quals with their values. NULL if one can be satisfied by no row, since its value is NULL.
 */
static PyObject *
current_quals(ForeignScanState *node, RunningScan *scan, bool only_explain)
{
	TupleDesc	desc = RelationGetDescr(node->ss.ss_currentRelation);
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	PyObject   *list = py_own(PyList_New(0));
	ListCell   *lc;

	foreach(lc, scan->quals)
	{
		ScanQual   *qual = lfirst(lc);
		PyObject   *value;

		if (only_explain && has_unknown_param((Node *) qual->value, econtext->ecxt_param_list_info))
			value = placeholder_to_python(exprType((Node *) qual->value));
		else
		{
			bool		isnull;
			Datum		datum = ExecEvalExprSwitchContext(qual->state, econtext, &isnull);

			if (isnull && qual->strict && !only_explain)
				return NULL;
			value = qual_value_to_python(qual, datum, isnull);
		}
		if (PyList_Append(list, qual_to_python(qual, desc, value)) < 0)
			py_throw();
	}
	return list;
}

static void
set_item(PyObject *dict, const char *key, PyObject *value)
{
	if (PyDict_SetItemString(dict, key, value) < 0)
		py_throw();
}

/*
 * The optional arguments of execute() and explain(): only those there is something to say with.
 */
static PyObject *
keyword_arguments(RunningScan *scan)
{
	PyObject   *dict = py_own(PyDict_New());

	if (scan->sort_keys != NIL)
	{
		PyObject   *keys = py_own(PyList_New(0));
		ListCell   *lc;

		foreach(lc, scan->sort_keys)
			if (PyList_Append(keys, sort_key_to_python(lfirst(lc))) < 0)
				py_throw();
		set_item(dict, "sortkeys", keys);
	}
	if (scan->limit != NULL)
		set_item(dict, "limit",
				 py_own(PyLong_FromLongLong(DatumGetInt64(scan->limit->constvalue))));
	if (scan->offset != NULL)
		set_item(dict, "offset",
				 py_own(PyLong_FromLongLong(DatumGetInt64(scan->offset->constvalue))));
	return dict;
}

static PyObject *
call_with_quals(RunningScan *scan, const char *method, PyObject *quals, PyObject *keywords)
{
	PyObject   *columns = py_own(PySet_New(row_column_names(scan->converter)));

	return py_own(PyObject_Call(py_own(PyObject_GetAttrString(scan->instance.object, method)),
								py_own(PyTuple_Pack(2, quals, columns)), keywords));
}

/*
 * Call execute(). Leaves no iterator if there are no rows.
 */
static void
start_scan(ForeignScanState *node, RunningScan *scan)
{
	PyObject   *quals = current_quals(node, scan, false);
	PyObject   *rows;

	if (quals == NULL)
		return;
	rows = call_with_quals(scan, "execute", quals, keyword_arguments(scan));
	if (rows != Py_None)
		py_holder_set(&scan->iterator, py_own(PyObject_GetIter(rows)));
}

TupleTableSlot *
iterate_foreign_scan(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (scan->finished)
		return slot;

	PY_BEGIN();
	{
		PyObject   *row = NULL;

		if (scan->iterator.object == NULL)
			start_scan(node, scan);
		if (scan->iterator.object != NULL)
		{
			row = PyIter_Next(scan->iterator.object);
			if (row != NULL)
				py_own(row);
			else if (PyErr_Occurred())
				py_throw();
		}
		if (row != NULL && row != Py_None)
			row_to_slot(scan->converter, row, slot);
		else
		{
			scan->finished = true;
			py_holder_set(&scan->iterator, NULL);
		}
	}
	PY_END();
	return slot;
}

void
rescan_foreign_scan(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;

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
void
end_foreign_scan(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;

	if (scan == NULL)
		return;
	PY_BEGIN();
	{
		py_own(PyObject_CallMethod(scan->instance.object, "end_scan", NULL));
		py_holder_set(&scan->iterator, NULL);
		py_holder_set(&scan->instance, NULL);
	}
	PY_END();
}

void
explain_foreign_scan(ForeignScanState *node, ExplainState *es)
{
	RunningScan *scan = node->fdw_state;

	PY_BEGIN();
	{
		PyObject   *keywords = keyword_arguments(scan);
		PyObject   *lines;
		PyObject   *line;

		set_item(keywords, "verbose", es->verbose ? Py_True : Py_False);
		lines = call_with_quals(scan, "explain", current_quals(node, scan, true), keywords);
		if (lines != Py_None)
		{
			lines = py_own(PyObject_GetIter(lines));
			while ((line = PyIter_Next(lines)) != NULL)
				ExplainPropertyText("Multicorn",
									python_to_server_string(py_own(PyObject_Str(py_own(line)))),
									es);
			if (PyErr_Occurred())
				py_throw();
		}
	}
	PY_END();
}
