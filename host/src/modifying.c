/*
 * INSERT, UPDATE, DELETE and COPY FROM.
 */
#include "multicorn.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/appendinfo.h"
#include "utils/rel.h"

/* The junk column of old rows, as PostgreSQL itself names it. */
#define WHOLE_ROW "wholerow"

typedef struct Modification
{
	PyHolder	instance;
	RowConverter *converter;
	int			batch_size;
	int			users;			/* of one state, where rows are also routed to the table */

	/* of UPDATE and DELETE */
	Oid			rowid_type;
	AttrNumber	rowid_attno;	/* in the plan's rows */
	AttrNumber	old_row_attno;	/* likewise; invalid if the old row is not needed */
} Modification;

/*
 * The column that identifies rows, by the wrapper's rowid_column.
 */
static Form_pg_attribute
rowid_attribute(PyObject *instance, TupleDesc desc)
{
	PyObject   *name = py_own(PyObject_CallOneArg(py.rowid_column, instance));

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped &&
			strcmp(NameStr(attribute->attname), python_to_server_string(name)) == 0)
			return attribute;
	}
	return NULL;
}

/*
 * The name of the junk column with the row identifier. Tables of one inheritance tree may share
 * such a column only if it has the same type in all.
 */
static char *
rowid_junk_name(Oid type)
{
	return psprintf("multicorn_rowid_%u", type);
}

/*
 * Have the plan give the row identifier; and for RETURNING of a DELETE, the old row, as a record,
 * like PostgreSQL's own of this name, so that tables of other row types may share it. An UPDATE
 * gets that one anyway.
 */
void
add_foreign_update_targets(PlannerInfo *root, Index rtindex, RangeTblEntry *target_rte,
						   Relation target_relation)
{
	(void) target_rte;
	PY_BEGIN();
	{
		PyObject   *instance = instance_get(RelationGetRelid(target_relation))->object;
		Form_pg_attribute rowid = rowid_attribute(instance, RelationGetDescr(target_relation));

		if (rowid == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
					 errmsg("The rowid attribute does not exist")));
		add_row_identity_var(root,
							 makeVar(rtindex, rowid->attnum, rowid->atttypid, rowid->atttypmod,
									 rowid->attcollation, 0),
							 rtindex, rowid_junk_name(rowid->atttypid));
		if (root->parse->commandType == CMD_DELETE && root->parse->returningList != NIL)
			add_row_identity_var(root,
								 makeVar(rtindex, InvalidAttrNumber, RECORDOID, -1, InvalidOid, 0),
								 rtindex, WHOLE_ROW);
	}
	PY_END();
}

/*
 * Whether rows may be inserted several at a time: not where each is needed again at once.
 */
static bool
can_batch(ModifyTableState *mtstate, ResultRelInfo *rel)
{
	TriggerDesc *triggers = rel->ri_TrigDesc;
	ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;

	if (plan != NULL && plan->returningLists != NIL)
		return false;
	return rel->ri_returningList == NIL && rel->ri_WithCheckOptions == NIL &&
		(triggers == NULL ||
		 (!triggers->trig_insert_before_row && !triggers->trig_insert_after_row));
}

/*
 * Tell a wrapper that wants to know, by having begin_modify(), what the statement wants of the
 * rows it changes.
 */
static void
tell_clauses(PyObject *instance, CmdType operation, ModifyTableState *mtstate, ResultRelInfo *rel)
{
	ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;
	bool		returning = rel->ri_returningList != NIL;
	bool		on_conflict = false;
	PyObject   *hook = PyObject_GetAttrString(instance, "begin_modify");

	if (hook == NULL)
	{
		if (!PyErr_ExceptionMatches(PyExc_AttributeError))
			py_throw();
		PyErr_Clear();
		return;
	}
	py_own(hook);
	if (plan != NULL)
	{
		returning = plan->returningLists != NIL;
		on_conflict = plan->onConflictAction != ONCONFLICT_NONE;
	}
	py_own(PyObject_CallFunction(hook, "sOO",
								 operation == CMD_UPDATE ? "update" :
								 operation == CMD_DELETE ? "delete" : "insert",
								 returning ? Py_True : Py_False,
								 on_conflict ? Py_True : Py_False));
}

static Modification *
start_modification(ModifyTableState *mtstate, ResultRelInfo *rel, CmdType operation)
{
	Modification *modification = palloc0(sizeof(Modification));
	Relation	relation = rel->ri_RelationDesc;

	modification->users = 1;
	py_holder_init(&modification->instance, CurrentMemoryContext);
	PY_BEGIN();
	{
		Instance   *instance = instance_get(RelationGetRelid(relation));
		Form_pg_attribute rowid;
		PyObject   *batch_size;

		instance->modified = true;
		py_holder_set(&modification->instance, instance->object);
		modification->converter = row_converter(relation, NULL);

		/* Also for INSERT: it tells whether the wrapper can write at all. */
		rowid = rowid_attribute(instance->object, RelationGetDescr(relation));
		if (rowid != NULL)
			modification->rowid_type = rowid->atttypid;

		tell_clauses(instance->object, operation, mtstate, rel);

		batch_size = py_own(PyObject_GetAttrString(instance->object, "modify_batch_size"));
		modification->batch_size = 1;
		if (batch_size != Py_None && can_batch(mtstate, rel))
		{
			long		size = PyLong_AsLong(batch_size);

			if (size == -1 && PyErr_Occurred())
				py_throw();
			modification->batch_size = Max(1, Min(size, 65535));
		}
	}
	PY_END();
	return modification;
}

void
begin_foreign_modify(ModifyTableState *mtstate, ResultRelInfo *rel, List *fdw_private,
					 int subplan_index, int eflags)
{
	Modification *modification;
	List	   *targets = outerPlanState(mtstate)->plan->targetlist;

	(void) fdw_private;
	(void) subplan_index;
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	modification = start_modification(mtstate, rel, mtstate->operation);
	if (mtstate->operation == CMD_UPDATE || mtstate->operation == CMD_DELETE)
	{
		modification->rowid_attno =
			ExecFindJunkAttributeInTlist(targets, rowid_junk_name(modification->rowid_type));
		if (!AttributeNumberIsValid(modification->rowid_attno))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("The rowid_column could not be identified")));
		modification->old_row_attno = ExecFindJunkAttributeInTlist(targets, WHOLE_ROW);
	}
	rel->ri_FdwState = modification;
}

/*
 * COPY FROM, or rows routed to a partition; which an UPDATE of the same table may also do.
 */
void
begin_foreign_insert(ModifyTableState *mtstate, ResultRelInfo *rel)
{
	Modification *modification = rel->ri_FdwState;

	if (modification != NULL)
		modification->users++;
	else
		rel->ri_FdwState = start_modification(mtstate, rel, CMD_INSERT);
}

void
end_foreign_modify(EState *estate, ResultRelInfo *rel)
{
	Modification *modification = rel->ri_FdwState;

	(void) estate;
	if (modification == NULL || --modification->users > 0)
		return;
	PY_BEGIN();
	{
		py_own(PyObject_CallMethod(modification->instance.object, "end_modify", NULL));
		py_holder_set(&modification->instance, NULL);
		rel->ri_FdwState = NULL;
	}
	PY_END();
}

int
get_foreign_modify_batch_size(ResultRelInfo *rel)
{
	Modification *modification = rel->ri_FdwState;

	return modification != NULL ? modification->batch_size : 1;
}

/*
 * Where the wrapper returned the row as it became, that is what RETURNING and triggers see.
 */
static void
store_result(Modification *modification, PyObject *result, TupleTableSlot *slot)
{
	if (result != Py_None)
		row_to_slot(modification->converter, result, slot);
}

TupleTableSlot *
exec_foreign_insert(EState *estate, ResultRelInfo *rel, TupleTableSlot *slot,
					TupleTableSlot *plan_slot)
{
	Modification *modification = rel->ri_FdwState;

	(void) estate;
	(void) plan_slot;
	PY_BEGIN();
	{
		PyObject   *values = slot_to_python(modification->converter, slot);

		store_result(modification,
					 py_own(PyObject_CallMethod(modification->instance.object, "insert", "O", values)),
					 slot);
	}
	PY_END();
	return slot;
}

TupleTableSlot **
exec_foreign_batch_insert(EState *estate, ResultRelInfo *rel, TupleTableSlot **slots,
						  TupleTableSlot **plan_slots, int *count)
{
	Modification *modification = rel->ri_FdwState;

	(void) estate;
	(void) plan_slots;
	PY_BEGIN();
	{
		PyObject   *rows = py_own(PyList_New(*count));
		PyObject   *results;

		for (int i = 0; i < *count; i++)
		{
			int			mark = py_pool_mark();

			PyList_SET_ITEM(rows, i, Py_NewRef(slot_to_python(modification->converter, slots[i])));
			py_pool_release(mark);
		}
		results = py_own(PyObject_CallMethod(modification->instance.object, "bulk_insert", "O",
											 rows));
		if (results != Py_None)
		{
			results = py_own(PySequence_Fast(results, "bulk_insert must return a sequence or None"));
			if (PySequence_Fast_GET_SIZE(results) != *count)
				ereport(ERROR,
						(errcode(ERRCODE_FDW_ERROR),
						 errmsg("Returned list size does not match number of inserted values")));
			for (int i = 0; i < *count; i++)
				store_result(modification, PySequence_Fast_GET_ITEM(results, i), slots[i]);
		}
	}
	PY_END();
	return slots;
}

static PyObject *
rowid_to_python(Modification *modification, TupleTableSlot *plan_slot)
{
	bool		isnull;
	Datum		rowid = ExecGetJunkAttribute(plan_slot, modification->rowid_attno, &isnull);

	return isnull ? Py_None : datum_to_python(rowid, modification->rowid_type, false);
}

TupleTableSlot *
exec_foreign_update(EState *estate, ResultRelInfo *rel, TupleTableSlot *slot,
					TupleTableSlot *plan_slot)
{
	Modification *modification = rel->ri_FdwState;

	(void) estate;
	PY_BEGIN();
	{
		PyObject   *rowid = rowid_to_python(modification, plan_slot);
		PyObject   *values = slot_to_python(modification->converter, slot);

		store_result(modification,
					 py_own(PyObject_CallMethod(modification->instance.object, "update", "OO",
												rowid, values)),
					 slot);
	}
	PY_END();
	return slot;
}

/*
 * Fill the slot with the row as the scan saw it.
 */
static void
store_old_row(Modification *modification, TupleTableSlot *plan_slot, TupleTableSlot *slot)
{
	bool		isnull = true;
	Datum		row = (Datum) 0;
	HeapTupleHeader header;
	HeapTupleData tuple;

	if (AttributeNumberIsValid(modification->old_row_attno))
		row = ExecGetJunkAttribute(plan_slot, modification->old_row_attno, &isnull);
	ExecClearTuple(slot);
	if (isnull)
	{
		ExecStoreAllNullTuple(slot);
		return;
	}
	header = DatumGetHeapTupleHeader(row);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
}

TupleTableSlot *
exec_foreign_delete(EState *estate, ResultRelInfo *rel, TupleTableSlot *slot,
					TupleTableSlot *plan_slot)
{
	Modification *modification = rel->ri_FdwState;

	(void) estate;
	PY_BEGIN();
	{
		PyObject   *rowid = rowid_to_python(modification, plan_slot);
		PyObject   *result = py_own(PyObject_CallMethod(modification->instance.object, "delete",
														"O", rowid));

		if (result != Py_None)
			row_to_slot(modification->converter, result, slot);
		else
			store_old_row(modification, plan_slot, slot);
	}
	PY_END();
	return slot;
}
