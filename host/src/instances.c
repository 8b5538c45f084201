/*
 * The wrapper instances of this backend: what they are made from, and when that may have changed.
 * The instances themselves are kept by multicorn/_instances.py.
 */
#include "multicorn.h"

#include "access/reloptions.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Counts the changes to the catalogs that may be ones to what an instance is made from. */
static uint64 catalog_generation = 0;

static void
syscache_changed(Datum arg pg_attribute_unused(), int cacheid pg_attribute_unused(),
				 uint32 hashvalue pg_attribute_unused())
{
	catalog_generation++;
}

/*
 * A mapping that comes, goes or changes makes other promises for the role's tables (order, limit,
 * exact conditions). PostgreSQL plans prepared statements and functions again when a server or a
 * table changes, but does not watch user mappings.
 */
static void
mapping_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	syscache_changed(arg, cacheid, hashvalue);
	ResetPlanCache();
}

/* Columns and their options: a change to them is one to the table's relcache entry. */
static void
relcache_changed(Datum arg pg_attribute_unused(), Oid relid pg_attribute_unused())
{
	catalog_generation++;
}

void
instances_init(void)
{
	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGUSERSERVER, mapping_changed, (Datum) 0);
	/* A role's name, and whether it has the rights of the server's owner. */
	CacheRegisterSyscacheCallback(AUTHOID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, syscache_changed, (Datum) 0);
	CacheRegisterRelcacheCallback(relcache_changed, (Datum) 0);
}

/*
 * The options of a user's mapping, or of the public one; None if there is neither.
 */
static PyObject *
mapping_options(Oid userid, Oid serverid, bool *is_public)
{
	HeapTuple	tuple;
	Datum		options;
	bool		isnull;
	PyObject   *result;

	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
							ObjectIdGetDatum(serverid));
	*is_public = !HeapTupleIsValid(tuple);
	if (*is_public)
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(serverid));
	if (!HeapTupleIsValid(tuple))
		return Py_None;
	options = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions,
							  &isnull);
	result = options_to_python(isnull ? NIL : untransformRelOptions(options));
	ReleaseSysCache(tuple);
	return result;
}

/*
 * The arguments of multicorn/_instances.py's Server.
 */
PyObject *
server_to_python(ForeignServer *server, Oid userid)
{
	bool		is_public;
	PyObject   *mapping = mapping_options(userid, server->serverid, &is_public);

	return py_own(Py_BuildValue("(OOOOOO)", server_string_to_python(server->servername),
								options_to_python(server->options), mapping,
								server_string_to_python(GetUserNameFromId(userid, false)),
								is_public ? Py_True : Py_False,
								has_privs_of_role(userid, server->owner) ? Py_True : Py_False));
}

static PyObject *
column_to_python(Form_pg_attribute attribute)
{
	const char *type = format_type_with_typemod(attribute->atttypid, attribute->atttypmod);
	List	   *options = GetForeignColumnOptions(attribute->attrelid, attribute->attnum);

	return py_own(Py_BuildValue("(iOIiOOO)", attribute->attnum,
								server_string_to_python(NameStr(attribute->attname)),
								attribute->atttypid, attribute->atttypmod,
								server_string_to_python(type),
								server_string_to_python(format_type_be(attribute->atttypid)),
								options_to_python(options)));
}

static PyObject *
columns_to_python(Oid relid)
{
	Relation	relation = table_open(relid, NoLock);
	TupleDesc	desc = RelationGetDescr(relation);
	PyObject   *columns = py_own(PyList_New(0));

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			py_append(columns, column_to_python(TupleDescAttr(desc, i)));
	table_close(relation, NoLock);
	return columns;
}

static void
forget_dropped_tables(uint64 generation)
{
	ListCell   *lc;

	foreach(lc, python_to_int_list(py_call(py_host, "tables_to_check", "(K)", generation)))
	{
		Oid			relid = lfirst_int(lc);

		if (!SearchSysCacheExists1(FOREIGNTABLEREL, ObjectIdGetDatum(relid)))
			py_call(py_host, "forget_table", "(I)", relid);
	}
}

/*
 * The instance for a foreign table and a user, told of the transaction; it is made again if the
 * catalogs have changed. The user is the one whose rights PostgreSQL checks: the owner of the view
 * that names the table; or, where "check_as_user" is invalid, the current user.
 */
PyObject *
instance_get(Oid relid, Oid check_as_user)
{
	Oid			userid = OidIsValid(check_as_user) ? check_as_user : GetUserId();
	uint64		generation = catalog_generation;	/* what changes from here on is another */
	PyObject   *instance;

	transaction_take_part();
	while ((instance = py_call(py_host, "current_instance", "(IIKii)", relid, userid,
							   generation, GetCurrentTransactionNestLevel(),
							   IsolationIsSerializable() ? 1 : 0)) == Py_None)
	{
		ForeignTable *table = GetForeignTable(relid);
		ForeignServer *server = GetForeignServer(table->serverid);

		forget_dropped_tables(generation);
		py_call(py_host, "make_instance", "(IIKOOO)", relid, userid, generation,
				server_to_python(server, userid), options_to_python(table->options),
				columns_to_python(relid));
	}
	return instance;
}
