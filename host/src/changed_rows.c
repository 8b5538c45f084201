/*
 * The rows that a statement has changed, known by their ctid.
 *
 * A join may give a row several times. Each is updated or deleted once per statement, as a row of a
 * local table is, and the same holds for two changes of it in one WITH: they share the executor's
 * state, which a trigger's own statement does not.
 */
#include "multicorn.h"

#include "nodes/execnodes.h"
#include "utils/hsearch.h"

typedef struct RowKey
{
	Oid			relid;
	ItemPointerData ctid;
} RowKey;

typedef struct ChangedRows
{
	MemoryContextCallback callback;
	EState	   *estate;			/* of the statement */
	HTAB	   *rows;			/* of RowKey */
	struct ChangedRows *next;
} ChangedRows;

/* One for each statement that runs; it ends with its statement's memory. */
static ChangedRows *statements = NULL;

static void
forget(void *arg)
{
	ChangedRows **link = &statements;

	while (*link != NULL && *link != arg)
		link = &(*link)->next;
	if (*link != NULL)
		*link = (*link)->next;
}

static ChangedRows *
changed_rows_of(EState *estate)
{
	HASHCTL		control = {
		.keysize = sizeof(RowKey),
		.entrysize = sizeof(RowKey),
		.hcxt = estate->es_query_cxt,
	};
	ChangedRows *changed;

	for (changed = statements; changed != NULL; changed = changed->next)
		if (changed->estate == estate)
			return changed;

	changed = MemoryContextAllocZero(estate->es_query_cxt, sizeof(ChangedRows));
	changed->estate = estate;
	changed->rows = hash_create("multicorn changed rows", 64, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	changed->callback.func = forget;
	changed->callback.arg = changed;
	MemoryContextRegisterResetCallback(estate->es_query_cxt, &changed->callback);
	changed->next = statements;
	statements = changed;
	return changed;
}

/*
 * Note that a row is about to be changed; false if the statement has changed it already.
 */
bool
first_change(EState *estate, Oid relid, ItemPointer ctid)
{
	RowKey		key;
	bool		found;

	memset(&key, 0, sizeof(key));	/* the padding counts, too */
	key.relid = relid;
	ItemPointerCopy(ctid, &key.ctid);
	hash_search(changed_rows_of(estate)->rows, &key, HASH_ENTER, &found);
	return !found;
}
