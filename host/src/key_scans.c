/*
 * The scans of a look-up that gets the keys of several rows at once: one for each group of keys.
 */
#include "key_lists.h"

#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* As many scans are started ahead: the wrapper has something to remember of each. */
#define MOST_STARTED 32

static PyObject *
scalar_qual(ScanQual *qual, Datum value)
{
	return qual_to_python(qual, qual_value_to_python(qual, value, false),
						  qual_instant_to_python(qual, value, false));
}

static PyObject *
list_qual(ScanQual *qual, KeyGroup *group)
{
	ScanQual	any = *qual;
	PyObject   *values = py_own(PyList_New(0));
	PyObject   *instants = qual->timed ? py_own(PyList_New(0)) : Py_None;

	any.is_array = any.use_or = true;
	for (int i = 0; i < group->count; i++)
	{
		py_append(values, qual_value_to_python(qual, group->values[i], false));
		if (qual->timed)
			py_append(instants, qual_instant_to_python(qual, group->values[i], false));
	}
	return qual_to_python(&any, values, instants);
}

/*
 * The quals of a group's scan. None if one that all have in common can be satisfied by no row.
 */
static PyObject *
group_quals(KeyLists *lists, KeyGroup *group)
{
	PyObject   *quals = current_quals(lists->node, lists->fixed, false);

	if (quals == Py_None || lists->read_all)
		return quals;
	for (int i = 0; i < lists->columns; i++)
	{
		ScanQual   *qual = lists->column[i].qual;

		if (i < lists->columns - 1)
			py_append(quals, scalar_qual(qual, group->leading[i]));
		else if (group->count == 1)
			py_append(quals, scalar_qual(qual, group->values[0]));
		else
			py_append(quals, list_qual(qual, group));
	}
	return quals;
}

static void
start_group(KeyLists *lists, KeyGroup *group)
{
	MemoryContext before;

	MemoryContextReset(lists->row_context);
	before = MemoryContextSwitchTo(lists->row_context);
	PY_BEGIN();
	{
		py_holder_set(&group->iterator,
					  start_scan(lists->node, group_quals(lists, group),
								 lists->certain ? START_IN_TURN : START_PERHAPS));
	}
	PY_END();
	MemoryContextSwitchTo(before);
	lists->started++;
}

/*
 * Have the wrapper begin with the next scans, those of this batch first, unless so many wait for their
 * turn.
 */
void
start_groups(KeyLists *lists)
{
	int			waiting = lists->started;

	if (lists->then != NULL)
		waiting += lists->then->started;
	while (lists != NULL)
	{
		for (; lists->to_start != NULL; lists->to_start = lists->to_start->next)
		{
			if (lists->to_start->reading)
				continue;
			if (waiting++ >= MOST_STARTED)
				return;
			start_group(lists, lists->to_start);
		}
		lists = lists->then;
	}
}

/*
 * The quals of a list for EXPLAIN, with something in place of each key.
 */
PyObject *
key_lists_explained(KeyLists *lists)
{
	PyObject   *quals = current_quals(lists->node, lists->fixed, true);

	for (int i = 0; i < lists->columns; i++)
	{
		ScanQual	qual = *lists->column[i].qual;
		PyObject   *value = placeholder_to_python(exprType((Node *) qual.value));

		if (i == lists->columns - 1)
		{
			PyObject   *list = py_own(PyList_New(0));

			py_append(list, value);
			value = list;
			qual.is_array = qual.use_or = true;
		}
		py_append(quals, unknown_qual_to_python(&qual, value));
	}
	return quals;
}

/*
 * Read one more row of a group's scan. Keep it, if it has one of the keys.
 */
void
read_row(KeyLists *lists, KeyGroup *group)
{
	TupleTableSlot *slot = lists->node->ss.ss_ScanTupleSlot;
	MemoryContext before;
	uint32		hash = 0;
	KeyRows    *rows;
	KeptRow    *kept;

	CHECK_FOR_INTERRUPTS();
	if (!group->reading)
	{
		group->reading = true;
		if (group->iterator.object != NULL)
			lists->started--;
		start_groups(lists);
	}
	MemoryContextReset(lists->row_context);
	before = MemoryContextSwitchTo(lists->row_context);
	PY_BEGIN();
	{
		if (group->iterator.object == NULL)
			py_holder_set(&group->iterator, start_scan(lists->node, group_quals(lists, group),
														   START_NOW));
		group->finished = !next_row(lists->node, &group->iterator, slot);
	}
	PY_END();

	if (!group->finished)
	{
		bool		has_key = true;

		for (int i = 0; i < lists->columns && has_key; i++)
		{
			KeyColumn  *column = &lists->column[i];
			bool		isnull;
			Datum		value = slot_getattr(slot, column->qual->attno, &isnull);

			has_key = !isnull;
			if (has_key)
				hash = hash_combine(hash, DatumGetUInt32(FunctionCall1Coll(&column->column_hash,
																		   column->qual->opcollation,
																		   value)));
		}
		rows = has_key ? hash_search(group->rows, &hash, HASH_FIND, NULL) : NULL;
		if (rows != NULL)
		{
			kept = keep_row(&lists->store, slot);
			if (rows->last != NULL)
				rows->last->next = kept;
			else
				rows->first = kept;
			rows->last = kept;
		}
	}
	MemoryContextSwitchTo(before);
	ExecClearTuple(slot);
}
