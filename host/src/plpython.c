/*
 * PL/Python in the same session.
 *
 * It shares this process's Python, but calls it without asking for the GIL. So its functions are
 * looked out for: from the first of them on, this host keeps the GIL between its own calls, too,
 * and a wrapper's worker threads run only while the wrapper itself waits. A session that uses no
 * PL/Python is not slowed down by PL/Python's being installed.
 */
#include "multicorn.h"

#include <dlfcn.h>

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

static needs_fmgr_hook_type next_needs_fmgr_hook = NULL;
static fmgr_hook_type next_fmgr_hook = NULL;

/* Whether this session has a function of PL/Python's. */
static bool met = false;

/* Whether Python is in every session, so that PL/Python can begin in none. */
static bool refused = false;

static bool is_plpython_handler(HeapTuple proc);

/*
 * Whether a function is written in PL/Python, or is one of PL/Python's own, such as runs DO.
 */
static bool
is_plpython(Oid function)
{
	HeapTuple	proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	HeapTuple	language;
	bool		result = false;
	Oid			langid;

	if (!HeapTupleIsValid(proc))
		return false;
	langid = ((Form_pg_proc) GETSTRUCT(proc))->prolang;
	if (langid == ClanguageId)
		result = is_plpython_handler(proc);
	ReleaseSysCache(proc);
	if (langid == ClanguageId || langid == INTERNALlanguageId || langid == SQLlanguageId)
		return result;

	language = SearchSysCache1(LANGOID, ObjectIdGetDatum(langid));
	if (HeapTupleIsValid(language))
	{
		Oid			handler = ((Form_pg_language) GETSTRUCT(language))->lanplcallfoid;

		ReleaseSysCache(language);
		proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(handler));
		if (HeapTupleIsValid(proc))
		{
			result = is_plpython_handler(proc);
			ReleaseSysCache(proc);
		}
	}
	return result;
}

/*
 * Whether a C function's library is PL/Python's.
 */
static bool
is_plpython_handler(HeapTuple proc)
{
	bool		isnull;
	Datum		library = SysCacheGetAttr(PROCOID, proc, Anum_pg_proc_probin, &isnull);
	char	   *name;
	bool		result;

	if (isnull)
		return false;
	name = TextDatumGetCString(library);
	result = strstr(name, "plpython") != NULL;
	pfree(name);
	return result;
}

/*
 * From 3.12 on, Python ends the process, and with it the server's other sessions, where a module is
 * added to it that was not there when it started; and that is how PL/Python begins.
 */
static void
require_plpython_first(void)
{
#if PY_VERSION_HEX >= 0x030C0000
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("PL/Python has to begin before multicorn where a session uses both"),
			 errhint("Begin the session with DO LANGUAGE plpython3u 'pass'.")));
#endif
}

static void
meet(Oid function)
{
	if (met || !is_plpython(function))
		return;
	if (refused)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("PL/Python cannot be used while multicorn preloads Python modules"),
				 errhint("Empty multicorn.preload_modules, and restart PostgreSQL.")));
	require_plpython_first();
	met = true;
	py_keep();
}

/*
 * PostgreSQL asks this of each function that it looks up, before it loads the function's library.
 */
static bool
needs_hook(Oid function)
{
	meet(function);
	return next_needs_fmgr_hook != NULL && next_needs_fmgr_hook(function);
}

/*
 * A function with SECURITY DEFINER or SET is not asked about, but comes here when it is called.
 */
static void
before_call(FmgrHookEventType event, FmgrInfo *function, Datum *private)
{
	if (event == FHET_START)
		meet(function->fn_oid);
	if (next_fmgr_hook != NULL)
		next_fmgr_hook(event, function, private);
}

static void
watch_functions(void)
{
	static bool watched = false;

	if (watched)
		return;
	watched = true;
	next_needs_fmgr_hook = needs_fmgr_hook;
	needs_fmgr_hook = needs_hook;
	next_fmgr_hook = fmgr_hook;
	fmgr_hook = before_call;
}

static bool
is_loaded(void)
{
	return dlsym(RTLD_DEFAULT, "plpython3_call_handler") != NULL;
}

/*
 * Before Python is started by this host.
 */
void
plpython_before_start(void)
{
	if (is_loaded())
		require_plpython_first();
}

/*
 * After that.
 */
void
plpython_init(void)
{
	PyObject   *names = PySys_GetObject("builtin_module_names");	/* borrowed */

	/* Without its module's name there PL/Python would not find what it adds. */
	if (names == NULL ||
		PySys_SetObject("builtin_module_names",
						py_own(PySequence_Concat(names, py_own(Py_BuildValue("(s)", "plpy"))))) < 0)
		py_throw();

	/* A function that was looked up already may be called at any time. */
	if (is_loaded())
	{
		met = true;
		py_keep();
	}
	watch_functions();
}

/*
 * Have no session use PL/Python, which would share a Python with the host that it has not prepared
 * itself for. Called in the postmaster.
 */
void
plpython_refuse(void)
{
	refused = true;
	watch_functions();
}
