/*
 * The wrapper instances of this backend: one per foreign table and user, made at first use and
 * again when what it was made from has changed.
 */
#include "multicorn.h"

#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct InstanceKey
{
	Oid			relid;
	Oid			userid;
} InstanceKey;

typedef struct InstanceEntry
{
	InstanceKey key;
	Instance   *instance;
} InstanceEntry;

/* What an instance is made from. */
typedef struct Recipe
{
	char	   *wrapper;
	List	   *options;		/* of table, server and user mapping, in this order */
} Recipe;

static HTAB *instances = NULL;

/* Whether the catalogs have changed since dropped tables were last looked for. */
static bool catalogs_changed = false;

static Recipe table_recipe(Oid relid, Oid userid);
static char *make_signature(const Recipe *recipe, Relation relation);
static PyObject *make_object(const Recipe *recipe, Relation relation);
static void drop_instance(InstanceEntry *entry);
static void drop_instances_of_dropped_tables(void);

static void
mark_stale(void)
{
	HASH_SEQ_STATUS scan;
	InstanceEntry *entry;

	catalogs_changed = true;
	hash_seq_init(&scan, instances);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->instance != NULL)
			entry->instance->stale = true;
}

static void
syscache_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	(void) arg;
	(void) cacheid;
	(void) hashvalue;
	mark_stale();
}

/* Columns and their options: a change to them is one to the table's relcache entry. */
static void
relcache_changed(Datum arg, Oid relid)
{
	InstanceEntry *entry;
	HASH_SEQ_STATUS scan;

	(void) arg;
	hash_seq_init(&scan, instances);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->instance != NULL && (!OidIsValid(relid) || entry->key.relid == relid))
			entry->instance->stale = true;
}

static void
create_cache(void)
{
	HASHCTL		control = {
		.keysize = sizeof(InstanceKey),
		.entrysize = sizeof(InstanceEntry),
		.hcxt = TopMemoryContext,
	};

	instances = hash_create("multicorn instances", 64, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, syscache_changed, (Datum) 0);
	CacheRegisterRelcacheCallback(relcache_changed, (Datum) 0);
}

/*
 * The current instance for a foreign table and the current user, told of the transaction.
 */
Instance *
instance_get(Oid relid)
{
	InstanceKey key = {.relid = relid, .userid = GetUserId()};
	InstanceEntry *entry;
	bool		found;

	if (instances == NULL)
		create_cache();
	if (catalogs_changed)
		drop_instances_of_dropped_tables();

	entry = hash_search(instances, &key, HASH_ENTER, &found);
	if (!found)
		entry->instance = NULL;

	if (entry->instance == NULL || entry->instance->stale)
	{
		Recipe		recipe;
		Relation	relation;
		char	   *signature;

		/* Before looking: what changes from here on makes it stale again. */
		if (entry->instance != NULL)
			entry->instance->stale = false;

		recipe = table_recipe(relid, key.userid);
		relation = table_open(relid, NoLock);
		signature = make_signature(&recipe, relation);
		if (entry->instance != NULL && strcmp(entry->instance->signature, signature) != 0)
			drop_instance(entry);
		if (entry->instance == NULL)
		{
			PyObject   *object = make_object(&recipe, relation);
			Instance   *instance = MemoryContextAllocZero(TopMemoryContext, sizeof(Instance));

			instance->relid = relid;
			instance->userid = key.userid;
			instance->signature = MemoryContextStrdup(TopMemoryContext, signature);
			instance->object = Py_NewRef(object);
			entry->instance = instance;
		}
		pfree(signature);
		table_close(relation, NoLock);
	}

	instance_begin(entry->instance);
	return entry->instance;
}

static void
free_instance(Instance *instance)
{
	Py_DECREF(instance->object);
	pfree(instance->signature);
	pfree(instance);
}

/*
 * Take the instance out of the cache. One that is part of the transaction stays until this ends.
 */
static void
drop_instance(InstanceEntry *entry)
{
	Instance   *instance = entry->instance;

	entry->instance = NULL;
	if (instance == NULL)
		return;
	if (instance->depth > 0)
		instance->retired = true;
	else
		free_instance(instance);
}

void
instance_free_if_retired(Instance *instance)
{
	if (instance->retired)
		free_instance(instance);
}

static void
drop_instances_of_dropped_tables(void)
{
	HASH_SEQ_STATUS scan;
	InstanceEntry *entry;

	catalogs_changed = false;
	hash_seq_init(&scan, instances);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (!SearchSysCacheExists1(FOREIGNTABLEREL, ObjectIdGetDatum(entry->key.relid)))
		{
			drop_instance(entry);
			hash_search(instances, &entry->key, HASH_REMOVE, NULL);
		}
}

/*
 * The options of a user's mapping, or of the public one; NIL if there is neither.
 */
List *
mapping_options(Oid userid, Oid serverid)
{
	HeapTuple	tuple;
	Datum		options;
	bool		isnull;
	List	   *result = NIL;

	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
							ObjectIdGetDatum(serverid));
	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(serverid));
	if (!HeapTupleIsValid(tuple))
		return NIL;
	options = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions,
							  &isnull);
	if (!isnull)
		result = untransformRelOptions(options);
	ReleaseSysCache(tuple);
	return result;
}

static Recipe
table_recipe(Oid relid, Oid userid)
{
	ForeignTable *table = GetForeignTable(relid);
	ForeignServer *server = GetForeignServer(table->serverid);
	Recipe		recipe = {.options = list_copy(table->options)};
	ListCell   *lc;

	/* The wrapper is the server's alone: nobody else may choose what code to run. */
	foreach(lc, server->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "wrapper") == 0)
			recipe.wrapper = defGetString(option);
		else
			recipe.options = lappend(recipe.options, option);
	}
	if (recipe.wrapper == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("server \"%s\" has no option \"wrapper\"", server->servername)));
	recipe.options = list_concat(recipe.options, mapping_options(userid, server->serverid));
	return recipe;
}

static void
sign_string(StringInfo signature, const char *string)
{
	appendStringInfo(signature, "%zu:%s;", strlen(string), string);
}

static void
sign_options(StringInfo signature, List *options)
{
	ListCell   *lc;

	appendStringInfo(signature, "[%d]", list_length(options));
	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		sign_string(signature, option->defname);
		sign_string(signature, defGetString(option));
	}
}

/*
 * A string that differs when any part of what the instance is made from does.
 */
static char *
make_signature(const Recipe *recipe, Relation relation)
{
	StringInfoData signature;
	TupleDesc	desc = RelationGetDescr(relation);

	initStringInfo(&signature);
	sign_string(&signature, recipe->wrapper);
	sign_options(&signature, recipe->options);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped)
			continue;
		sign_string(&signature, NameStr(attribute->attname));
		appendStringInfo(&signature, "%u,%d", attribute->atttypid, attribute->atttypmod);
		sign_options(&signature, GetForeignColumnOptions(attribute->attrelid, attribute->attnum));
	}
	return signature.data;
}

/*
 * The arguments of a column's ColumnDefinition.
 */
static PyObject *
describe_column(Form_pg_attribute attribute)
{
	List	   *options = GetForeignColumnOptions(attribute->attrelid, attribute->attnum);
	const char *type = format_type_with_typemod(attribute->atttypid, attribute->atttypmod);

	return py_own(Py_BuildValue("(OIiOOO)",
								server_string_to_python(NameStr(attribute->attname)),
								attribute->atttypid,
								attribute->atttypmod,
								server_string_to_python(type),
								server_string_to_python(format_type_be(attribute->atttypid)),
								options_to_python(options)));
}

static PyObject *
make_object(const Recipe *recipe, Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);
	PyObject   *columns = py_own(PyList_New(0));

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped &&
			PyList_Append(columns, describe_column(attribute)) < 0)
			py_throw();
	}
	return py_own(PyObject_CallFunctionObjArgs(py.make_instance,
											   server_string_to_python(recipe->wrapper),
											   options_to_python(recipe->options), columns, NULL));
}
