/*
 * Labels of result columns: with multicorn.column_labels, what a client selects is called by the
 * option "label" of the foreign table's column, and not by its name.
 *
 * Only names that a client gets to see are changed, when its statement is analyzed. What a view, a
 * function, a new table or another statement takes from a query keeps its names.
 */
#include "multicorn.h"

#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_node.h"
#include "parser/parsetree.h"
#include "parser/scansup.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* A query, and those around it: a WITH of any of them can be named in it. */
typedef struct Level
{
	Query	   *query;
	struct Level *outer;
} Level;

/*
 * How a prepared statement was analyzed. PostgreSQL analyzes it again after a change of a table or
 * of search_path, and refuses it if a result column then has another name. So the setting counts
 * that was in force when it was prepared. The entry is freed with the statement.
 */
typedef struct Prepared
{
	const char *text;			/* the key: where the statement keeps its text */
	bool		labelled;
	MemoryContextCallback forget;
} Prepared;

static bool column_labels = false;
static HTAB *prepared_statements = NULL;
static post_parse_analyze_hook_type next_analyze = NULL;

/* Whether a foreign table is one of this host's. */
bool
is_our_table(Oid relid)
{
	Oid			handler;
	FmgrInfo	info;

	handler = GetForeignDataWrapper(GetForeignServer(GetForeignServerIdByRelId(relid))->fdwid)->fdwhandler;
	if (!OidIsValid(handler))
		return false;
	fmgr_info(handler, &info);
	return info.fn_addr == multicorn_handler;
}

/* The option "label" of a column of one of this host's tables; NULL if there is none. */
static char *
label_of_column(Oid relid, AttrNumber attno)
{
	char	   *label = NULL;
	ListCell   *cell;

	foreach(cell, GetForeignColumnOptions(relid, attno))
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "label") == 0)
			label = pstrdup(defGetString(option));
	}
	if (label == NULL || label[0] == '\0' || !is_our_table(relid))
		return NULL;
	/* The name of a result column has as much room as other names. */
	truncate_identifier(label, (int) strlen(label), false);
	return label;
}

/*
 * What PostgreSQL names a result column after, if it is not renamed: a cast and COLLATE keep the
 * name of their argument.
 */
static Node *
without_casts(Node *node)
{
	for (;;)
	{
		switch (nodeTag(node))
		{
			case T_RelabelType:
				node = (Node *) ((RelabelType *) node)->arg;
				break;
			case T_CoerceViaIO:
				node = (Node *) ((CoerceViaIO *) node)->arg;
				break;
			case T_ArrayCoerceExpr:
				node = (Node *) ((ArrayCoerceExpr *) node)->arg;
				break;
			case T_CoerceToDomain:
				node = (Node *) ((CoerceToDomain *) node)->arg;
				break;
			case T_CollateExpr:
				node = (Node *) ((CollateExpr *) node)->arg;
				break;
			case T_FuncExpr:
				if (((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CAST &&
					((FuncExpr *) node)->funcformat != COERCE_IMPLICIT_CAST)
					return node;
				node = linitial(((FuncExpr *) node)->args);
				break;
			default:
				return node;
		}
		if (node == NULL)
			return NULL;
	}
}

static List *
result_columns(Query *query)
{
	return query->commandType == CMD_SELECT ? query->targetList : query->returningList;
}

static char *label_of_expression(Level *level, Node *node, const char *name);

/* The label of a result column of a query within the statement, if it is called "name". */
static char *
label_of_result(Level *level, AttrNumber attno, const char *name)
{
	TargetEntry *entry = get_tle_by_resno(result_columns(level->query), attno);

	if (entry == NULL || entry->resjunk || entry->resname == NULL ||
		strcmp(entry->resname, name) != 0)
		return NULL;
	return label_of_expression(level, (Node *) entry->expr, name);
}

/* The same of a WITH query, which is one of the query that "up" levels around this one has. */
static char *
label_of_cte(Level *level, RangeTblEntry *entry, AttrNumber attno, const char *name)
{
	ListCell   *cell;

	for (Index up = entry->ctelevelsup; up > 0 && level != NULL; up--)
		level = level->outer;
	if (level == NULL)
		return NULL;
	foreach(cell, level->query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (strcmp(cte->ctename, entry->ctename) == 0 && IsA(cte->ctequery, Query))
		{
			Level		inner = {(Query *) cte->ctequery, level};

			return label_of_result(&inner, attno, name);
		}
	}
	return NULL;
}

/*
 * The label of an expression that is called "name" all the way from the column of a foreign table
 * through joins, subqueries and WITH. A view ends the way: its columns were named by its maker.
 */
static char *
label_of_expression(Level *level, Node *node, const char *name)
{
	Var		   *var;
	RangeTblEntry *entry;

	check_stack_depth();
	node = node == NULL ? NULL : without_casts(node);
	if (node == NULL || !IsA(node, Var))
		return NULL;
	var = (Var *) node;
	if (var->varlevelsup != 0 || var->varattno <= 0)
		return NULL;
	entry = rt_fetch(var->varno, level->query->rtable);
	switch (entry->rtekind)
	{
		case RTE_RELATION:
			if (entry->relkind != RELKIND_FOREIGN_TABLE ||
				strcmp(get_attname(entry->relid, var->varattno, false), name) != 0)
				return NULL;
			return label_of_column(entry->relid, var->varattno);
		case RTE_SUBQUERY:
			{
				Level		inner = {entry->subquery, level};

				return label_of_result(&inner, var->varattno, name);
			}
		case RTE_CTE:
			return label_of_cte(level, entry, var->varattno, name);
		case RTE_JOIN:
			return label_of_expression(level, list_nth(entry->joinaliasvars, var->varattno - 1), name);
#if PG_VERSION_NUM >= 180000
		case RTE_GROUP:
			return label_of_expression(level, list_nth(entry->groupexprs, var->varattno - 1), name);
#endif
		default:
			return NULL;
	}
}

/*
 * The first branch of UNION and the like. A planned query takes the names of its results from
 * there, and a prepared statement tells those of the whole query.
 */
static List *
first_branch_columns(Query *query)
{
	Node	   *branch = query->setOperations;

	if (branch == NULL)
		return NIL;
	while (IsA(branch, SetOperationStmt))
		branch = ((SetOperationStmt *) branch)->larg;
	return rt_fetch(castNode(RangeTblRef, branch)->rtindex, query->rtable)->subquery->targetList;
}

static void
label_results(Query *query)
{
	Level		level = {query, NULL};
	List	   *first = first_branch_columns(query);
	ListCell   *cell;

	foreach(cell, result_columns(query))
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		char	   *label;

		if (entry->resjunk || entry->resname == NULL)
			continue;
		label = label_of_expression(&level, (Node *) entry->expr, entry->resname);
		if (label == NULL)
			continue;
		entry->resname = label;
		if (first != NIL)
			get_tle_by_resno(first, entry->resno)->resname = label;
	}
}

/*
 * Is this what a client sent, and gets the results of? While PostgreSQL runs a statement there is
 * a portal. That leaves what it plans ahead or does at a COMMIT, which has a text of its own.
 */
static bool
is_sent_by_client(ParseState *pstate)
{
	return ActivePortal == NULL && whereToSendOutput == DestRemote &&
		pstate->p_sourcetext != NULL && pstate->p_sourcetext == debug_query_string;
}

static void
forget_prepared(void *text)
{
	hash_search(prepared_statements, &text, HASH_REMOVE, NULL);
}

/*
 * The memory of the statement that is being prepared. PostgreSQL makes it before the analysis,
 * calls it so, and gives it the copy of the text that a later analysis gets as its source.
 */
static MemoryContext
memory_of_prepared(const char *text)
{
	for (MemoryContext memory = CurrentMemoryContext->firstchild; memory != NULL; memory = memory->nextchild)
	{
		if (strcmp(memory->name, "CachedPlanSource") == 0 && memory->ident != NULL &&
			strcmp(memory->ident, text) == 0)
			return memory;
	}
	return NULL;
}

static void
remember_prepared(ParseState *pstate, bool labelled)
{
	MemoryContext memory = memory_of_prepared(pstate->p_sourcetext);
	Prepared   *prepared;

	if (memory == NULL)
		return;
	if (prepared_statements == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(char *),.entrysize = sizeof(Prepared)};

		prepared_statements = hash_create("multicorn prepared statements", 32, &control,
										  HASH_ELEM | HASH_BLOBS);
	}
	prepared = hash_search(prepared_statements, &memory->ident, HASH_ENTER, NULL);
	prepared->labelled = labelled;
	prepared->forget.func = forget_prepared;
	prepared->forget.arg = unconstify(char *, memory->ident);
	MemoryContextRegisterResetCallback(memory, &prepared->forget);
}

/*
 * Is this the text of a prepared statement that is analyzed again? Such statements are kept below
 * the cache's memory, and each has its own copy of the text.
 */
static bool
is_text_of_prepared(const char *text)
{
	for (MemoryContext memory = CacheMemoryContext->firstchild; memory != NULL; memory = memory->nextchild)
	{
		if (memory->ident == text && strcmp(memory->name, "CachedPlanSource") == 0)
			return true;
	}
	return false;
}

/* Should this SELECT, or this change with RETURNING, have labels? */
static bool
wants_labels(ParseState *pstate)
{
	bool		labelled = column_labels && is_sent_by_client(pstate);

	/* Only where a statement is prepared, types of parameters are still to be found. */
	if (pstate->p_coerce_param_hook != NULL && pstate->p_paramref_hook != NULL &&
		pstate->p_sourcetext != NULL)
		remember_prepared(pstate, labelled);
	else
	{
		Prepared   *prepared = NULL;

		if (prepared_statements != NULL)
			prepared = hash_search(prepared_statements, &pstate->p_sourcetext, HASH_FIND, NULL);
		if (prepared != NULL)
			return prepared->labelled;
		/* What is not remembered was prepared without labels, before the library was loaded. */
		if (labelled && is_text_of_prepared(pstate->p_sourcetext))
			return false;
	}
	return labelled;
}

static void
after_analysis(ParseState *pstate, Query *query, JumbleState *jumble)
{
	if (next_analyze != NULL)
		next_analyze(pstate, query, jumble);
	if (query->commandType == CMD_UTILITY)
	{
		if (column_labels && IsA(query->utilityStmt, DeclareCursorStmt) && is_sent_by_client(pstate))
			label_results(castNode(Query, ((DeclareCursorStmt *) query->utilityStmt)->query));
	}
	else if (wants_labels(pstate))
		label_results(query);
}

/* Called when the library is loaded, which does not start Python. */
void
labels_init(void)
{
	DefineCustomBoolVariable("multicorn.column_labels",
							 "Calls result columns by the option \"label\" of the foreign table's column.",
							 NULL, &column_labels, false, PGC_USERSET, 0, NULL, NULL, NULL);
	next_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = after_analysis;

	/* While a statement is planned: it was analyzed before. */
	if (column_labels && debug_query_string != NULL && ActivePortal == NULL)
		ereport(WARNING,
				(errmsg("the first statement on foreign tables has no column labels"),
				 errdetail("The library multicorn was loaded after the statement was analyzed."),
				 errhint("Load it before, with \"SELECT multicorn_handler() IS NULL\" or session_preload_libraries.")));
}
