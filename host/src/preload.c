/*
 * Python started once, in the postmaster: multicorn.preload_modules. Starting Python and importing a
 * wrapper takes the first statement of a session a tenth of a second or more. A session whose
 * process is a copy of one that has done so takes a few milliseconds.
 *
 * An interpreter lives on after fork() under conditions, which Python states for os.fork(). There
 * must be no other thread, since threads are not copied. PyOS_BeforeFork() comes before fork(), and
 * PyOS_AfterFork_Child() in the child, before it uses Python: it makes the locks anew, and calls
 * what modules have registered by os.register_at_fork(), such as that "random" takes another seed.
 * The postmaster uses Python no more once it has imported the modules, so that for it, it is always
 * before a fork.
 */
#include "multicorn.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/guc.h"

static char *preload_modules = NULL;

/* The process that has started Python for others; 0 if none has. */
static pid_t preloaded_by = 0;

static bool
plpython_is_installed(void)
{
	char		path[MAXPGPATH];
	struct stat ignored;

	snprintf(path, sizeof(path), "%s/plpython3.so", pkglib_path);
	return stat(path, &ignored) == 0;
}

/* How many threads this process has; 1 where that cannot be told. */
static int
count_threads(void)
{
	DIR		   *directory = opendir("/proc/self/task");
	struct dirent *entry;
	int			count = 0;

	if (directory == NULL)
		return 1;
	while ((entry = readdir(directory)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

/*
 * Tell the log of what Python has raised. No module of the host's is there to do it.
 */
static void
warn_of_exception(const char *module)
{
	PyObject   *exception = PyErr_GetRaisedException();
	PyObject   *said = exception == NULL ? NULL :
		PyUnicode_FromFormat("%s: %S", Py_TYPE(exception)->tp_name, exception);
	const char *text = said == NULL ? NULL : PyUnicode_AsUTF8(said);

	PyErr_Clear();
	ereport(WARNING,
			(errmsg("could not preload the Python module \"%s\"", module),
			 errdetail_internal("%s", text != NULL ? text : "Python raised an exception."),
			 errhint("Sessions import it themselves. See multicorn.preload_modules, and PYTHONPATH in the server's environment.")));
	Py_XDECREF(said);
	Py_XDECREF(exception);
}

static void
import_modules(void)
{
	char	   *names = pstrdup(preload_modules);
	char	   *rest = names;

	for (char *name; (name = strtok_r(rest, ", \t\n", &rest)) != NULL;)
	{
		PyObject   *module = PyImport_ImportModule(name);

		if (module == NULL)
			warn_of_exception(name);
		Py_XDECREF(module);
	}
	pfree(names);
}

/*
 * Have the garbage collector pass over what is there: touching it would copy its memory.
 */
static void
freeze(void)
{
	PyObject   *gc = PyImport_ImportModule("gc");
	PyObject   *done = gc == NULL ? NULL : PyObject_CallMethod(gc, "freeze", NULL);

	PyErr_Clear();
	Py_XDECREF(done);
	Py_XDECREF(gc);
}

static void
preload(void)
{
	int			threads = count_threads();

	if (plpython_is_installed())
	{
		ereport(WARNING,
				(errmsg("multicorn preloads no Python modules, because PL/Python is installed"),
				 errdetail("PL/Python would find a Python in its sessions that it has not started."),
				 errhint("Remove PL/Python, or empty multicorn.preload_modules.")));
		return;
	}
	if (!py_start_in_postmaster())
		warn_of_exception("multicorn");
	else
		import_modules();
	if (count_threads() > threads)
		ereport(FATAL,
				(errmsg("a module of multicorn.preload_modules has started a thread"),
				 errdetail("Sessions are copies of the postmaster, and threads are not copied."),
				 errhint("Take the module out of the list.")));
	freeze();
	plpython_refuse();
	PyOS_BeforeFork();
	preloaded_by = getpid();
}

/*
 * Called when the library is loaded. Only the postmaster preloads: what one session imports is of no
 * use to others, and where processes are not forked nothing is.
 */
void
preload_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomStringVariable("multicorn.preload_modules",
							   "Python modules that the postmaster imports for all sessions.",
							   "A list of dotted names, with commas between them.",
							   &preload_modules, "", PGC_POSTMASTER, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
#ifndef EXEC_BACKEND
	if (IsPostmasterEnvironment && !IsUnderPostmaster && preload_modules != NULL && *preload_modules)
		preload();
#endif
}

/*
 * Take over what the postmaster has started. False if it has not.
 */
bool
preload_take_over(void)
{
	static bool taken = false;

	if (preloaded_by == 0 || preloaded_by == getpid())
		return false;
	if (!taken)
		PyOS_AfterFork_Child();
	taken = true;
	return true;
}
