/*
 * The bundled Multicorn host: declarations shared by its files.
 *
 * Who owns a Python reference is settled by three rules:
 *
 * - Between PY_BEGIN and PY_END, a new reference is given at once to a pool, by py_own(), and is
 *   the pool's from then on. PY_END releases it, also when an ERROR jumps out of the block. No
 *   other code between the two releases anything, so nothing leaks and nothing is freed twice.
 * - What lives longer (an iterator, the instance a scan uses) is kept in a PyHolder, which takes
 *   its own reference and gives it up no later than its memory context ends.
 * - Functions that return PyObject * return what the pool owns, unless their comment differs.
 *
 * Python frames are never jumped over: what Python calls (pymodule.c) turns PostgreSQL's errors
 * into Python exceptions, and PY_BEGIN..PY_END calls Python from the outside only.
 */
#ifndef MULTICORN_H
#define MULTICORN_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "nodes/pathnodes.h"

#include "compat.h"

/* Server libraries share one name space; none of these names is for others. */
#pragma GCC visibility push(hidden)

/* interpreter.c */

typedef struct PyHolder
{
	MemoryContextCallback callback;
	PyObject   *object;
} PyHolder;

/* What is called by name, of multicorn/_host.py; set once, never released. */
typedef struct PyNames
{
	PyObject   *report;
	PyObject   *get_class;
	PyObject   *make_instance;
	PyObject   *rel_size;
	PyObject   *lookup_keys;
	PyObject   *sort_order;
	PyObject   *rowid_column;
	PyObject   *json_text;
	PyObject   *hstore_text;
	PyObject   *Qual;
	PyObject   *SortKey;
	PyObject   *MulticornException;
} PyNames;

extern PyNames py;

extern int	py_enter(void);
extern void py_leave(int mark);
extern PyObject *py_own(PyObject *reference);
extern int	py_pool_mark(void);
extern void py_pool_release(int mark);
extern void py_holder_init(PyHolder *holder, MemoryContext context);
extern void py_holder_set(PyHolder *holder, PyObject *object);
extern bool py_on_main_thread(void);

/*
 * Everything that touches Python stands between these. The block must not be left by return,
 * break or goto. The interpreter's lock (GIL) is held inside it.
 */
#define PY_BEGIN() \
	do { \
		const int	py_mark_ = py_enter(); \
		PG_TRY()

#define PY_END() \
		PG_FINALLY(); \
		{ \
			py_leave(py_mark_); \
		} \
		PG_END_TRY(); \
	} while (0)

/* errors.c */

extern void py_throw(void) __attribute__((noreturn));
extern void py_warn(void);
extern char *py_lossy_string(PyObject *object);

/* pymodule.c */

extern PyObject *create_utils_module(void);

/* to_python.c */

extern void to_python_init(void);
extern PyObject *server_string_to_python(const char *string);
extern PyObject *server_text_to_python(const char *string, Size length);
extern PyObject *datum_to_python(Datum value, Oid type, bool flatten);
extern PyObject *placeholder_to_python(Oid type);
extern PyObject *options_to_python(List *options);

/* to_postgres.c */

typedef struct Converter Converter;
typedef Datum (*ConvertFunction) (Converter *converter, PyObject *value);

/* How to make values of one type; of it, only type, typmod and context need be set before. */
struct Converter
{
	Oid			type;
	int32		typmod;
	MemoryContext context;
	ConvertFunction convert;	/* NULL until the first value */
	Oid			base_type;		/* differs from "type" for a domain */
	FmgrInfo	input;			/* of "type" */
	Oid			ioparam;
	void	   *domain_cache;
	Converter  *element;		/* of an array */
	int16		element_length;
	bool		element_byval;
	char		element_alignment;
};

extern void to_postgres_init(void);
extern const char *python_to_server_string(PyObject *string);
extern Datum convert_value(Converter *converter, PyObject *value);

/* rows.c */

typedef struct RowConverter RowConverter;

extern RowConverter *row_converter(Relation relation, Bitmapset *columns);
extern PyObject *row_column_names(const RowConverter *converter);
extern void row_to_slot(RowConverter *converter, PyObject *row, TupleTableSlot *slot);
extern PyObject *slot_to_python(RowConverter *converter, TupleTableSlot *slot);

/* instances.c */

typedef struct Instance
{
	Oid			relid;
	Oid			userid;
	PyObject   *object;			/* of the wrapper class; an own reference */
	char	   *signature;		/* all it was made from */
	bool		stale;			/* the signature must be checked before the next use */
	bool		retired;		/* replaced; kept only for the end of its transaction */
	bool		modified;		/* has changed rows in this transaction */
	int			depth;			/* transaction nesting it has been told of; 0 is none */
	dlist_node	node;			/* in "participants" when depth > 0 */
} Instance;

extern dlist_head participants; /* in the order in which they began */

extern Instance *instance_get(Oid relid);
extern void instance_free_if_retired(Instance *instance);
extern List *mapping_options(Oid userid, Oid serverid);

/* transactions.c */

extern void transactions_init(void);
extern void instance_begin(Instance *instance);

/* quals.c */

typedef struct ScanQual
{
	AttrNumber	attno;
	char	   *operator;
	bool		is_array;		/* of ANY or ALL, */
	bool		use_or;			/* namely ANY */
	bool		strict;			/* a NULL value makes it NULL */
	Expr	   *value;
	ExprState  *state;			/* of "value"; the scan's */
} ScanQual;

extern ScanQual *clause_to_qual(Index relid, Expr *clause);
extern PyObject *qual_to_python(const ScanQual *qual, TupleDesc desc, PyObject *value);
extern PyObject *qual_value_to_python(const ScanQual *qual, Datum value, bool isnull);

/* lookups.c, sorting.c */

/* A foreign table in the query being planned: its RelOptInfo's fdw_private. */
typedef struct PlannedTable
{
	Oid			relid;
	RelOptInfo *rel;
	Cost		startup_cost;
	int			width;
	List	   *sort_keys;		/* those the wrapper can sort by, serialized */
	List	   *pathkeys;		/* the same, as the planner has them */
} PlannedTable;

/* A scan of the table with the values that some outer tables give to the columns of a key. */
typedef struct Lookup
{
	Relids		outer;
	double		rows;
} Lookup;

extern List *find_lookups(PlannerInfo *root, RelOptInfo *rel, PyObject *instance, TupleDesc desc);
extern void find_sort_order(PlannerInfo *root, PlannedTable *table, PyObject *instance,
							TupleDesc desc);
extern PyObject *sort_key_to_python(List *key);

/* planning.c */

/* The parts of a ForeignScan's fdw_private. */
enum
{
	PRIVATE_COLUMNS,			/* IntList of attribute numbers */
	PRIVATE_SORT,				/* List of sort keys, as sort_key_to_python takes them */
	PRIVATE_LIMIT,				/* Const int8, NULL if not pushed down */
	PRIVATE_OFFSET				/* likewise */
};

extern void get_foreign_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void get_foreign_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void get_foreign_upper_paths(PlannerInfo *root, UpperRelationKind stage,
									RelOptInfo *input_rel, RelOptInfo *output_rel, void *extra);
extern ForeignScan *get_foreign_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid,
									 ForeignPath *best_path, List *tlist, List *scan_clauses,
									 Plan *outer_plan);

/* scanning.c */

extern void begin_foreign_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *iterate_foreign_scan(ForeignScanState *node);
extern void rescan_foreign_scan(ForeignScanState *node);
extern void end_foreign_scan(ForeignScanState *node);
extern void explain_foreign_scan(ForeignScanState *node, ExplainState *es);

/* modifying.c */

extern void add_foreign_update_targets(PlannerInfo *root, Index rtindex, RangeTblEntry *target_rte,
									   Relation target_relation);
extern void begin_foreign_modify(ModifyTableState *mtstate, ResultRelInfo *rel,
								 List *fdw_private, int subplan_index, int eflags);
extern void begin_foreign_insert(ModifyTableState *mtstate, ResultRelInfo *rel);
extern int	get_foreign_modify_batch_size(ResultRelInfo *rel);
extern TupleTableSlot *exec_foreign_insert(EState *estate, ResultRelInfo *rel,
										   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern TupleTableSlot **exec_foreign_batch_insert(EState *estate, ResultRelInfo *rel,
												  TupleTableSlot **slots,
												  TupleTableSlot **plan_slots, int *count);
extern TupleTableSlot *exec_foreign_update(EState *estate, ResultRelInfo *rel,
										   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern TupleTableSlot *exec_foreign_delete(EState *estate, ResultRelInfo *rel,
										   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern void end_foreign_modify(EState *estate, ResultRelInfo *rel);

/* import.c */

extern List *import_foreign_schema(ImportForeignSchemaStmt *stmt, Oid serverid);

#pragma GCC visibility pop

#endif
