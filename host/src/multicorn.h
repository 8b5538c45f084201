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

#include "executor/tuptable.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"

#include "compat.h"

/* handler.c */

extern PGDLLEXPORT Datum multicorn_handler(PG_FUNCTION_ARGS);

/* Server libraries share one name space; none of these names is for others. */
#pragma GCC visibility push(hidden)

/* interpreter.c */

typedef struct PyHolder
{
	MemoryContextCallback callback;
	PyObject   *object;
} PyHolder;

/* The module multicorn._host: decisions and bookkeeping are there. NULL until Python is started. */
extern PyObject *py_host;

extern int	py_enter(void);
extern void py_leave(int mark);
extern PyObject *py_own(PyObject *reference);
extern PyObject *py_call(PyObject *object, const char *name, const char *format,...);
extern void py_append(PyObject *list, PyObject *item);
extern int	py_pool_mark(void);
extern void py_pool_release(int mark);
extern void py_holder_init(PyHolder *holder, MemoryContext context);
extern void py_holder_set(PyHolder *holder, PyObject *object);
extern bool py_on_main_thread(void);
extern void py_keep(void);
extern bool py_start_in_postmaster(void);

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
extern void py_report(PyObject *report);

/* preload.c */

extern void preload_init(void);
extern bool preload_take_over(void);

/* plpython.c */

extern void plpython_refuse(void);
extern void plpython_before_start(void);
extern void plpython_init(void);

/* pymodule.c */

extern PyObject *create_utils_module(void);

/* to_python.c */

extern PyObject *server_string_to_python(const char *string);
extern PyObject *datum_to_python(Datum value, Oid type, bool flatten);
extern PyObject *placeholder_to_python(Oid type);
extern PyObject *options_to_python(List *options);
extern PyObject *int_list_to_python(List *list);
extern PyObject *limit_to_python(Const *limit);

/* to_postgres.c */

typedef struct Converter Converter;
typedef Datum (*ConvertFunction) (Converter *converter, PyObject *value);

/* How to make values of one type; of it, only type, typmod, ndims and context need be set before. */
struct Converter
{
	Oid			type;
	int32		typmod;
	int			ndims;			/* as an array was declared with; 0 for any number */
	MemoryContext context;
	ConvertFunction convert;	/* NULL until the first value */
	Oid			base_type;		/* differs from "type" for a domain */
	FmgrInfo	input;			/* of "type" */
	Oid			ioparam;
	void	   *domain_cache;
	Converter  *element;		/* of an array */
};

extern void to_postgres_init(void);
extern const char *python_to_server_string(PyObject *string);
extern List *python_to_int_list(PyObject *list);
extern Datum convert_value(Converter *converter, PyObject *value);

/* rows.c */

typedef struct RowConverter RowConverter;

extern RowConverter *row_converter(Relation relation, Bitmapset *columns, bool with_ctid);
extern void row_to_slot(RowConverter *converter, PyObject *row, TupleTableSlot *slot);
extern PyObject *slot_to_python(RowConverter *converter, TupleTableSlot *slot);
extern void throw_no_ctid(Relation relation) __attribute__((noreturn));

/* changed_rows.c */

extern bool first_change(EState *estate, Oid relid, ItemPointer ctid);

/* instances.c */

extern void instances_init(void);
extern PyObject *instance_get(Oid relid, Oid check_as_user);
extern PyObject *server_to_python(ForeignServer *server, Oid userid);

/* transactions.c */

extern void transactions_init(void);
extern void transaction_take_part(void);

/* executions.c */

extern PyObject *execution_get(EState *state);
extern bool execution_may_write(EState *state);

/* scanning.c */

struct ForeignScanState;
extern bool has_own_function(Node *node, void *context);
extern bool can_start_ahead(struct ForeignScanState *node);
extern void start_ahead(struct ForeignScanState *node);

/* quals.c, implied.c */

typedef struct Implied Implied;

typedef struct ScanQual
{
	AttrNumber	attno;
	char	   *operator;		/* of an implied one, it may be two: see append_qual() */
	bool		is_array;		/* of ANY or ALL, */
	bool		use_or;			/* namely ANY */
	bool		strict;			/* a NULL value makes it NULL */
	bool		plain;			/* see is_plain() */
	bool		timed;			/* the column is a timestamptz: see qual_instant_to_python() */
	bool		rewritten;		/* it means the same as its clause, which has another form */
	Implied    *implied;		/* not NULL if it only follows from its clause */
	Oid			opno;			/* of column, operator, value; invalid if it is no such comparison */
	Oid			opcollation;	/* that it compares by */
	Expr	   *value;
	ExprState  *state;			/* of "value"; the scan's */
} ScanQual;

extern Var *column_of(Index relid, Node *node);
extern bool is_plain(Node *column, Oid operator, Oid collation);
extern bool is_scan_constant(Node *node);
extern bool is_equality(const ScanQual *qual);
extern ScanQual *clause_to_qual(Index relid, Expr *clause);
extern ScanQual *implied_qual(Index relid, Expr *clause);
extern void append_qual(PyObject *list, const ScanQual *qual, Datum value, bool isnull);
extern void append_placeholder(PyObject *list, const ScanQual *qual);
extern void append_implied(PyObject *list, const ScanQual *qual, Datum value);
extern void append_implied_placeholders(PyObject *list, const ScanQual *qual);
extern PyObject *qual_instant_to_python(const ScanQual *qual, Datum value, bool isnull);
extern PyObject *qual_to_python(const ScanQual *qual, PyObject *value, PyObject *instant);
extern PyObject *unknown_qual_to_python(const ScanQual *qual, PyObject *value);
extern PyObject *qual_value_to_python(const ScanQual *qual, Datum value, bool isnull);

/* planning.c, lookups.c, sorting.c, batched_join.c */

/* Columns by which a table is looked up, with a list of values of the last. */
typedef struct ListKey
{
	List	   *attnums;
	int			most;			/* values in a list */
	double		rows_of_one;	/* that stand for the cost of a list of one value, */
	double		rows_of_most;	/* and of one of the most */
} ListKey;

/* A foreign table in the query being planned: its RelOptInfo's fdw_private. */
typedef struct PlannedTable
{
	Oid			relid;
	Oid			check_as_user;	/* as instance_get() takes it */
	RelOptInfo *rel;
	Cost		startup_cost;
	int			width;
	List	   *sort_keys;		/* those the wrapper can sort by, as sort_keys_to_python takes them */
	List	   *pathkeys;		/* the same, as the planner has them */
	List	   *list_keys;		/* of ListKey */
} PlannedTable;

extern PyObject *constant_quals(PlannerInfo *root, RelOptInfo *rel, PyObject *estimated,
								bool *complete);
extern void add_scan_paths(PlannerInfo *root, PlannedTable *table, double rows, Relids outer);
extern void add_lookup_paths(PlannerInfo *root, PlannedTable *table, PyObject *instance);
extern bool enable_batched_join;

/* alternatives.c */

extern Expr *without_null_arms(const PlannedTable *table, Expr *clause);
extern ScanQual *disjunction_to_qual(Index relid, BoolExpr *clause);

extern bool gives_rows_as_they_are(Query *query);
extern bool wants_some_rows(PlannerInfo *root);
extern bool may_stop(PlannerInfo *root, RelOptInfo *rel);
extern bool is_our_rel(RelOptInfo *rel);
extern void batched_join_init(void);
extern void find_sort_order(PlannerInfo *root, PlannedTable *table, PyObject *instance);
extern PyObject *sort_keys_to_python(List *keys);

/* The parts of a ForeignScan's fdw_private. */
enum
{
	PRIVATE_COLUMNS,			/* IntList of attribute numbers */
	PRIVATE_SORT,				/* List of sort keys */
	PRIVATE_LIMIT,				/* Const int8, NULL if not pushed down */
	PRIVATE_OFFSET,				/* likewise */
	PRIVATE_LIST_KEY,			/* IntList of a ListKey's columns, NIL for one key at a time */
	PRIVATE_MAY_STOP,			/* Integer, see may_stop() */
	PRIVATE_LIMIT_LEVEL,		/* Integer, see limit_level() */
	PRIVATE_WANTED_ROWS,		/* Integer, see wanted_rows() */
	PRIVATE_UNSEEN				/* IntList, see unseen_columns() */
};

/* explaining.c */

extern bool plans_only(void);

/* kept_rows.c */

/* A place in a temporary file. */
typedef struct FilePlace
{
	int			segment;
	off_t		offset;
} FilePlace;

typedef struct KeptRow
{
	struct KeptRow *next;
	ItemPointerData ctid;
	MinimalTuple tuple;			/* NULL if it is in the file, */
	FilePlace	place;			/* namely here */
} KeptRow;

typedef struct KeptRows
{
	MemoryContext context;
	struct BufFile *file;		/* NULL as long as they fit into memory */
	FilePlace	end;			/* of the file */
} KeptRows;

extern KeptRow *keep_row(KeptRows *rows, TupleTableSlot *slot);
extern TupleTableSlot *kept_row_to_slot(KeptRows *rows, KeptRow *kept, TupleTableSlot *slot);
extern void kept_rows_close(KeptRows *rows);

/* key_lists.c: a look-up that gets the keys of several rows at once */

typedef struct KeyLists KeyLists;

/* Where the rows are that a row of the other table is joined with. */
typedef struct KeyPlace
{
	struct KeyGroup *group;		/* NULL if there can be none, since a key is NULL */
	struct KeyRows *rows;
} KeyPlace;

extern bool key_hash_functions(Oid operator, Oid type, Oid *of_column, Oid *of_value);
extern KeyLists *key_lists_begin(ForeignScanState *node, List *quals, List *attnums,
								 Bitmapset *params);
extern void key_lists_limit(KeyLists *lists, int most);
extern void key_lists_reset(KeyLists *lists);
extern void key_lists_start(KeyLists *lists, bool certain, KeyLists *before);
extern void key_lists_add(KeyLists *lists, KeyPlace *place);
extern void key_lists_set(KeyLists *lists, KeyPlace *place);
extern int	key_lists_count(KeyLists *lists);
extern void key_lists_read_all(KeyLists *lists, bool read_all);
extern double rows_of_list(double keys, int most, double rows_of_one, double rows_of_most);
extern double key_lists_cost(KeyLists *lists, double rows_of_one, double rows_of_most);
extern bool key_lists_in_use(KeyLists *lists);
extern void key_lists_rewind(KeyLists *lists);
extern TupleTableSlot *key_lists_next(KeyLists *lists);
extern PyObject *key_lists_explained(KeyLists *lists);

/* scanning.c, for them */

extern KeyLists *scan_in_lists(ForeignScanState *node, Bitmapset *params);
extern void scan_uses_lists(ForeignScanState *node, KeyLists *lists);
extern PyObject *current_quals(ForeignScanState *node, List *quals, bool only_explain);

/* When the rows of a scan are wanted that is started. */
typedef enum ScanStart
{
	START_NOW,
	START_AHEAD,
	START_IN_TURN,				/* after those of the scans that were started before it; */
	START_PERHAPS				/* or never, if the query ends before */
} ScanStart;

extern bool scan_takes_turns(ForeignScanState *node);
extern PyObject *start_scan(ForeignScanState *node, PyObject *quals, ScanStart when);
extern bool next_row(ForeignScanState *node, PyHolder *iterator, TupleTableSlot *slot);

/* batches.c */

#define BATCHES_NAME "Batched Join"

extern const CustomScanMethods batches_scan_methods;
extern void batches_init(void);
extern struct PlanState *source_of_batches(struct PlanState *state);

/* starting.c, for them */

extern bool may_start_scans(struct PlanState *plan);

/* labels.c, jit.c, implied.c, starting.c, explaining.c: what begins when the library is loaded */

extern bool is_our_table(Oid relid);
extern void labels_init(void);
extern void jit_init(void);
extern void implied_init(void);
extern void starting_init(void);
extern void explaining_init(void);

/* planning.c, scanning.c, modifying.c, import.c: what PostgreSQL calls */

extern void planning_callbacks(FdwRoutine *routine);
extern void scanning_callbacks(FdwRoutine *routine);
extern void modifying_callbacks(FdwRoutine *routine);
extern void import_callbacks(FdwRoutine *routine);

#pragma GCC visibility pop

#endif
