/*
 * A look-up that gets the keys of several rows at once: what its two files share.
 */
#ifndef MULTICORN_KEY_LISTS_H
#define MULTICORN_KEY_LISTS_H

#include "multicorn.h"

#pragma GCC visibility push(hidden)

/* A column of the key that has its values from the rows of the other table. */
typedef struct KeyColumn
{
	ScanQual   *qual;
	FmgrInfo	column_hash;
	FmgrInfo	value_hash;
	int16		length;			/* of a value's type */
	bool		by_value;
} KeyColumn;

/* The rows of the keys with one hash. */
typedef struct KeyRows
{
	uint32		hash;
	KeptRow    *first;
	KeptRow    *last;
} KeyRows;

typedef struct KeyGroup
{
	struct KeyGroup *next;
	Datum	   *leading;		/* the values of all key columns but the last */
	int			count;
	Datum	   *values;			/* of the last, each once */
	uint32	   *hashes;			/* of the whole key */
	HTAB	   *rows;			/* of KeyRows */
	PyHolder	iterator;
	bool		reading;		/* its first row was asked for */
	bool		finished;
} KeyGroup;

struct KeyLists
{
	ForeignScanState *node;
	List	   *fixed;			/* of ScanQual: those that are the same for all rows of a batch */
	int			columns;
	KeyColumn  *column;
	MemoryContext context;		/* of a batch */
	MemoryContext row_context;	/* of a row that is being read */
	TupleTableSlot *slot;		/* for rows that were kept */
	KeptRows	store;
	KeyGroup   *groups;			/* in the order in which their first rows come */
	KeyGroup   *last_group;
	KeyGroup   *to_start;		/* the first of those that are to be started in turn */
	int			started;		/* and are not yet read */
	bool		certain;		/* whether all of them will be read */
	KeyLists   *then;			/* of the batch that is read after this one, if it is known */
	int			most;			/* keys of a group */
	bool		read_all;		/* one group has all keys, and its scan asks for none of them */
	int			count;			/* of keys */
	KeyPlace   *place;			/* of the row that is joined; NULL: it is looked up alone */
	KeptRow    *handed_out;		/* the last one for it */
};

/* key_scans.c: the scans of a batch's groups */

extern void start_groups(KeyLists *lists);
extern void read_row(KeyLists *lists, KeyGroup *group);

#pragma GCC visibility pop

#endif
