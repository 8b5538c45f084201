/*
 * INSERT, UPDATE, DELETE and COPY FROM.
 */
#include "multicorn.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/appendinfo.h"
#include "parser/parsetree.h"
#include "utils/rel.h"

/* The junk columns of old rows and of their ctid, as PostgreSQL itself names them. */
#define WHOLE_ROW "wholerow"
#define CTID "ctid"

typedef struct Modification
{
	PyHolder	instance;
	RowConverter *converter;
	int			batch_size;
	bool		with_ctid;		/* RETURNING wants the rows' ctid */
	MemoryContext row_memory;	/* see start_row() */

	/* of UPDATE and DELETE */
	Oid			rowid_type;
	AttrNumber	rowid_attno;	/* in the plan's rows */
	AttrNumber	old_row_attno;	/* likewise; invalid if the old row is not needed */
	AttrNumber	ctid_attno;		/* likewise; invalid if the wrapper gives none */
} Modification;

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
 * Have the plan give the row identifier, and the ctid if the wrapper has one, which tells rows that
 * a join gives twice. And for RETURNING of a DELETE, the old row, as a record, like PostgreSQL's own
 * of this name, so that tables of other row types may share it. An UPDATE gets that one anyway.
 */
static void
add_foreign_update_targets(PlannerInfo *root, Index rtindex,
						   RangeTblEntry *target_rte pg_attribute_unused(),
						   Relation target_relation)
{
	/* Also of a partition: rights are those of the table that the statement names. */
	Oid			user = TARGET_CHECK_AS_USER(root->parse);

	PY_BEGIN();
	{
		PyObject   *instance = instance_get(RelationGetRelid(target_relation), user);
		AttrNumber	attno = PyLong_AsLong(py_call(instance, "rowid_attnum", "()"));
		Form_pg_attribute rowid = TupleDescAttr(RelationGetDescr(target_relation), attno - 1);

		add_row_identity_var(root,
							 makeVar(rtindex, attno, rowid->atttypid, rowid->atttypmod,
									 rowid->attcollation, 0),
							 rtindex, rowid_junk_name(rowid->atttypid));
		if (py_call(instance, "has_ctid", "()") == Py_True)
			add_row_identity_var(root,
								 makeVar(rtindex, SelfItemPointerAttributeNumber, TIDOID, -1,
										 InvalidOid, 0),
								 rtindex, CTID);
		if (root->parse->commandType == CMD_DELETE && root->parse->returningList != NIL)
			add_row_identity_var(root,
								 makeVar(rtindex, InvalidAttrNumber, RECORDOID, -1, InvalidOid, 0),
								 rtindex, WHOLE_ROW);
	}
	PY_END();
}

/*
 * Whether rows may be inserted several at a time: not where each is needed again at once, nor where
 * a trigger may look for the ones before. One that runs after a row gets it after its batch.
 */
static bool
can_batch(ResultRelInfo *rel)
{
	TriggerDesc *triggers = rel->ri_TrigDesc;

	return rel->ri_returningList == NIL && rel->ri_WithCheckOptions == NIL &&
		(triggers == NULL || !triggers->trig_insert_before_row);
}

typedef struct ReturnedColumns
{
	Index		varno;			/* of the table; 0 for one that rows are routed to */
	Bitmapset  *columns;
} ReturnedColumns;

/*
 * Collect the columns that RETURNING clauses mention of a table, 0 for the whole row. Those of
 * joined tables have a special varno there. A table that rows are routed to has none of its own.
 */
static bool
collect_columns(Node *node, void *context)
{
	ReturnedColumns *found = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (!IS_SPECIAL_VARNO(var->varno) &&
			(found->varno == 0 || (Index) var->varno == found->varno))
			found->columns = bms_add_member(found->columns,
											var->varattno - FirstLowInvalidHeapAttributeNumber);
		return false;
	}
	return expression_tree_walker(node, collect_columns, context);
}

static PyObject *
columns_to_python(Bitmapset *columns)
{
	PyObject   *list = py_own(PyList_New(0));
	int			member = -1;

	while ((member = bms_next_member(columns, member)) >= 0)
		py_append(list, py_own(PyLong_FromLong(member + FirstLowInvalidHeapAttributeNumber)));
	return list;
}

static Modification *
start_modification(ModifyTableState *mtstate, ResultRelInfo *rel, CmdType operation)
{
	Modification *modification = palloc0(sizeof(Modification));
	Relation	relation = rel->ri_RelationDesc;
	ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;	/* none for COPY FROM */
	bool		returning = plan ? plan->returningLists != NIL : rel->ri_returningList != NIL;
	bool		on_conflict = plan != NULL && plan->onConflictAction != ONCONFLICT_NONE;
	Oid			user = RESULT_CHECK_AS_USER(rel, mtstate->ps.state);
	ReturnedColumns returned = {rel->ri_RangeTableIndex, NULL};

	modification->row_memory = AllocSetContextCreate(CurrentMemoryContext, "multicorn row",
													 ALLOCSET_DEFAULT_SIZES);
	collect_columns((Node *) (plan ? plan->returningLists : rel->ri_returningList), &returned);
	modification->with_ctid = bms_is_member(SelfItemPointerAttributeNumber -
											FirstLowInvalidHeapAttributeNumber, returned.columns);
	py_holder_init(&modification->instance, CurrentMemoryContext);
	PY_BEGIN();
	{
		PyObject   *instance = instance_get(RelationGetRelid(relation), user);
		PyObject   *execution;
		PyObject   *start;
		AttrNumber	rowid;

		py_holder_set(&modification->instance, instance);
		execution = execution_get(mtstate->ps.state);	/* functions that it calls run within it */
		modification->converter = row_converter(relation, NULL, modification->with_ctid);
		start = py_call(instance, "start_modify", "(sOiiO)",
						operation == CMD_UPDATE ? "update" :
						operation == CMD_DELETE ? "delete" : "insert",
						returning ? columns_to_python(returned.columns) : Py_None, on_conflict,
						!returning && can_batch(rel), execution);
		if (!PyArg_ParseTuple(start, "hi", &rowid, &modification->batch_size))
			py_throw();
		if (operation != CMD_INSERT)
			modification->rowid_type = TupleDescAttr(RelationGetDescr(relation),
													 rowid - 1)->atttypid;
	}
	PY_END();
	return modification;
}

static void
begin_foreign_modify(ModifyTableState *mtstate, ResultRelInfo *rel,
					 List *fdw_private pg_attribute_unused(),
					 int subplan_index pg_attribute_unused(), int eflags)
{
	Modification *modification;
	List	   *targets = outerPlanState(mtstate)->plan->targetlist;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	modification = start_modification(mtstate, rel, mtstate->operation);
	if (mtstate->operation != CMD_INSERT)
	{
		modification->rowid_attno =
			ExecFindJunkAttributeInTlist(targets, rowid_junk_name(modification->rowid_type));
		if (!AttributeNumberIsValid(modification->rowid_attno))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("The rowid_column could not be identified")));
		modification->old_row_attno = ExecFindJunkAttributeInTlist(targets, WHOLE_ROW);
		modification->ctid_attno = ExecFindJunkAttributeInTlist(targets, CTID);
	}
	rel->ri_FdwState = modification;
}

/*
 * COPY FROM, or rows routed to a partition. Where an UPDATE of the partitioned table also updates
 * the partition itself, it might come upon a row that it has just moved there, and update it again.
 * PostgreSQL's own wrapper refuses that with the same words.
 */
static void
begin_foreign_insert(ModifyTableState *mtstate, ResultRelInfo *rel)
{
	if (rel->ri_FdwState != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot route tuples into foreign table to be updated \"%s\"",
						RelationGetRelationName(rel->ri_RelationDesc)),
				 errhint("Have the UPDATE's condition leave out the rows of that partition.")));
	rel->ri_FdwState = start_modification(mtstate, rel, CMD_INSERT);
}

static void
end_foreign_modify(EState *estate pg_attribute_unused(), ResultRelInfo *rel)
{
	Modification *modification = rel->ri_FdwState;

	if (modification == NULL)
		return;
	PY_BEGIN();
	{
		py_call(modification->instance.object, "end_modify", "()");
		py_holder_set(&modification->instance, NULL);
		rel->ri_FdwState = NULL;
	}
	PY_END();
}

static int
get_foreign_modify_batch_size(ResultRelInfo *rel)
{
	Modification *modification = rel->ri_FdwState;

	return modification != NULL ? modification->batch_size : 1;
}

/*
 * Begin with a row, or a batch of them. PostgreSQL makes changes in the statement's memory, which
 * would grow with each row. What one needs lasts here until the next: RETURNING and triggers have
 * seen its result by then. Returns the context to go back to.
 */
static MemoryContext
start_row(Modification *modification)
{
	MemoryContextReset(modification->row_memory);
	return MemoryContextSwitchTo(modification->row_memory);
}

/*
 * Where the wrapper returned the row as it became, that is what RETURNING and triggers see. The old
 * ctid, NULL for none, holds unless the row has a new one.
 */
static void
store_result(Modification *modification, ResultRelInfo *rel, PyObject *result, ItemPointer ctid,
			 TupleTableSlot *slot)
{
	ItemPointerSetInvalid(&slot->tts_tid);
	if (result != Py_None)
		row_to_slot(modification->converter, result, slot);
	if (ctid != NULL && !ItemPointerIsValid(&slot->tts_tid))
		ItemPointerCopy(ctid, &slot->tts_tid);
	if (modification->with_ctid && !ItemPointerIsValid(&slot->tts_tid))
		throw_no_ctid(rel->ri_RelationDesc);
}

static TupleTableSlot *
exec_foreign_insert(EState *estate pg_attribute_unused(), ResultRelInfo *rel,
					TupleTableSlot *slot, TupleTableSlot *plan_slot pg_attribute_unused())
{
	Modification *modification = rel->ri_FdwState;
	MemoryContext old = start_row(modification);

	PY_BEGIN();
	{
		store_result(modification, rel,
					 py_call(modification->instance.object, "insert", "(O)",
							 slot_to_python(modification->converter, slot)),
					 NULL, slot);
	}
	PY_END();
	MemoryContextSwitchTo(old);
	return slot;
}

static TupleTableSlot **
exec_foreign_batch_insert(EState *estate pg_attribute_unused(), ResultRelInfo *rel,
						  TupleTableSlot **slots,
						  TupleTableSlot **plan_slots pg_attribute_unused(), int *count)
{
	Modification *modification = rel->ri_FdwState;
	MemoryContext old = start_row(modification);

	PY_BEGIN();
	{
		PyObject   *rows = py_own(PyList_New(0));
		PyObject   *results;

		for (int i = 0; i < *count; i++)
		{
			int			mark = py_pool_mark();

			py_append(rows, slot_to_python(modification->converter, slots[i]));
			py_pool_release(mark);
		}
		results = py_call(modification->instance.object, "bulk_insert", "(O)", rows);
		for (int i = 0; results != Py_None && i < *count; i++)
			store_result(modification, rel, PyList_GET_ITEM(results, i), NULL, slots[i]);
	}
	PY_END();
	MemoryContextSwitchTo(old);
	return slots;
}

static PyObject *
rowid_to_python(Modification *modification, TupleTableSlot *plan_slot)
{
	bool		isnull;
	Datum		rowid = ExecGetJunkAttribute(plan_slot, modification->rowid_attno, &isnull);

	return isnull ? Py_None : datum_to_python(rowid, modification->rowid_type, false);
}

/*
 * The ctid of the row to change, as the scan gave it; NULL if it gave none.
 */
static ItemPointer
old_ctid(Modification *modification, TupleTableSlot *plan_slot)
{
	bool		isnull = true;
	Datum		ctid = (Datum) 0;

	if (AttributeNumberIsValid(modification->ctid_attno))
		ctid = ExecGetJunkAttribute(plan_slot, modification->ctid_attno, &isnull);
	return isnull ? NULL : (ItemPointer) DatumGetPointer(ctid);
}

static bool
is_first_change(EState *estate, ResultRelInfo *rel, ItemPointer ctid)
{
	return ctid == NULL || first_change(estate, RelationGetRelid(rel->ri_RelationDesc), ctid);
}

/*
 * NULL, for nothing done, if the statement has changed the row already.
 */
static TupleTableSlot *
exec_foreign_update(EState *estate, ResultRelInfo *rel, TupleTableSlot *slot,
					TupleTableSlot *plan_slot)
{
	Modification *modification = rel->ri_FdwState;
	ItemPointer ctid = old_ctid(modification, plan_slot);
	MemoryContext old;

	if (!is_first_change(estate, rel, ctid))
		return NULL;
	/* From 18 on, RETURNING old.ctid shows that of the old row, a record that has lost it. */
	if (ctid != NULL && rel->ri_oldTupleSlot != NULL)
		ItemPointerCopy(ctid, &rel->ri_oldTupleSlot->tts_tid);
	old = start_row(modification);
	PY_BEGIN();
	{
		store_result(modification, rel,
					 py_call(modification->instance.object, "update", "(OO)",
							 rowid_to_python(modification, plan_slot),
							 slot_to_python(modification->converter, slot)),
					 ctid, slot);
	}
	PY_END();
	MemoryContextSwitchTo(old);
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

	if (AttributeNumberIsValid(modification->old_row_attno))
		row = ExecGetJunkAttribute(plan_slot, modification->old_row_attno, &isnull);
	if (isnull)
		ExecStoreAllNullTuple(slot);
	else
		ExecStoreHeapTupleDatum(row, slot);
}

/*
 * Likewise.
 */
static TupleTableSlot *
exec_foreign_delete(EState *estate, ResultRelInfo *rel, TupleTableSlot *slot,
					TupleTableSlot *plan_slot)
{
	Modification *modification = rel->ri_FdwState;
	ItemPointer ctid = old_ctid(modification, plan_slot);
	MemoryContext old;

	if (!is_first_change(estate, rel, ctid))
		return NULL;
	old = start_row(modification);
	PY_BEGIN();
	{
		PyObject   *result = py_call(modification->instance.object, "delete", "(O)",
									 rowid_to_python(modification, plan_slot));

		store_old_row(modification, plan_slot, slot);
		store_result(modification, rel, result, ctid, slot);
	}
	PY_END();
	MemoryContextSwitchTo(old);
	return slot;
}

void
modifying_callbacks(FdwRoutine *routine)
{
	routine->AddForeignUpdateTargets = add_foreign_update_targets;
	routine->BeginForeignModify = begin_foreign_modify;
	routine->GetForeignModifyBatchSize = get_foreign_modify_batch_size;
	routine->ExecForeignInsert = exec_foreign_insert;
	routine->ExecForeignBatchInsert = exec_foreign_batch_insert;
	routine->ExecForeignUpdate = exec_foreign_update;
	routine->ExecForeignDelete = exec_foreign_delete;
	routine->EndForeignModify = end_foreign_modify;

	/* COPY FROM, and rows routed to a partition */
	routine->BeginForeignInsert = begin_foreign_insert;
	routine->EndForeignInsert = end_foreign_modify;
}
