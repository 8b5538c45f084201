/*
 * Rows that are kept for a while: in memory, and beyond work_mem in a temporary file.
 */
#include "multicorn.h"

#include "commands/tablespace.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

/*
 * Write a row to the end of the file; it begins with its length.
 */
static void
write_row(KeptRows *rows, KeptRow *kept, MinimalTuple tuple)
{
	if (rows->file == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(MemoryContextGetParent(rows->context));

		PrepareTempTablespaces();
		rows->file = BufFileCreateTemp(false);
		BufFileTell(rows->file, &rows->end.segment, &rows->end.offset);
		MemoryContextSwitchTo(before);
	}
	/* Reading may have moved it. */
	if (BufFileSeek(rows->file, rows->end.segment, rows->end.offset, SEEK_SET) != 0)
		elog(ERROR, "could not find the end of a temporary file");
	kept->place = rows->end;
	BufFileWrite(rows->file, tuple, tuple->t_len);
	BufFileTell(rows->file, &rows->end.segment, &rows->end.offset);
}

static MinimalTuple
row_from_file(KeptRows *rows, KeptRow *kept, MemoryContext context)
{
	uint32		length;
	MinimalTuple tuple;

	if (BufFileSeek(rows->file, kept->place.segment, kept->place.offset, SEEK_SET) != 0)
		elog(ERROR, "could not find a row in a temporary file");
	READ_EXACTLY(rows->file, &length, sizeof(length));
	tuple = MemoryContextAlloc(context, length);
	tuple->t_len = length;
	READ_EXACTLY(rows->file, (char *) tuple + sizeof(length), length - sizeof(length));
	return tuple;
}

/*
 * Keep a copy of the row in a slot, until the context of the rows is reset.
 */
KeptRow *
keep_row(KeptRows *rows, TupleTableSlot *slot)
{
	bool		fits = MemoryContextMemAllocated(rows->context, false) < work_mem * (Size) 1024;
	KeptRow    *kept = MemoryContextAllocZero(rows->context, sizeof(KeptRow));
	MemoryContext before = MemoryContextSwitchTo(fits ? rows->context : CurrentMemoryContext);
	MinimalTuple tuple = ExecCopySlotMinimalTuple(slot);

	kept->ctid = slot->tts_tid;
	if (fits)
		kept->tuple = tuple;
	else
	{
		write_row(rows, kept, tuple);
		pfree(tuple);
	}
	MemoryContextSwitchTo(before);
	return kept;
}

TupleTableSlot *
kept_row_to_slot(KeptRows *rows, KeptRow *kept, TupleTableSlot *slot)
{
	if (kept->tuple != NULL)
		ExecStoreMinimalTuple(kept->tuple, slot, false);
	else
		ExecStoreMinimalTuple(row_from_file(rows, kept, slot->tts_mcxt), slot, true);
	slot->tts_tid = kept->ctid;
	return slot;
}

/*
 * To be called before the context is reset.
 */
void
kept_rows_close(KeptRows *rows)
{
	if (rows->file != NULL)
		BufFileClose(rows->file);
	rows->file = NULL;
}
