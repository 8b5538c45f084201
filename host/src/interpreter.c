/*
 * The embedded Python: starting it, entering and leaving it, and owning references to it.
 */
#include "multicorn.h"

#include <dlfcn.h>
#include <pthread.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

PyObject   *py_host = NULL;

static bool started = false;
static bool is_ours = false;		/* whether this host has started Python, and not PL/Python */
static pthread_t main_thread;

/* How many PY_BEGIN blocks are open. */
static int	depth = 0;

/*
 * The main thread's state while it has let go of the GIL, otherwise NULL.
 *
 * The GIL is let go on leaving Python, so that a wrapper's worker threads run while PostgreSQL
 * sorts, joins, or waits for its client. It is not when there are no other threads, which would
 * only cost time, nor where PL/Python is used in the session, see plpython.c.
 */
static PyThreadState *released = NULL;
static bool may_release = false;

/* The references owned by open PY_BEGIN blocks. */
static PyObject **pool = NULL;
static int	pool_length = 0;
static int	pool_capacity = 0;

static void
check_status(PyStatus status)
{
	if (PyStatus_Exception(status))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not start Python: %s",
						status.err_msg != NULL ? status.err_msg : "unknown error")));
}

/*
 * Put the directory of the host's Python package, which lies beside this library wherever that
 * was installed, first on sys.path, and what is written in C into its place. False if Python raised.
 */
static bool
add_package(void)
{
	Dl_info		library;
	char		directory[MAXPGPATH];
	PyObject   *path = PySys_GetObject("path");
	PyObject   *found;
	PyObject   *utils;
	bool		added;

	if (dladdr(&py_host, &library) == 0)
		elog(ERROR, "could not find out where the library multicorn is");
	strlcpy(directory, library.dli_fname, sizeof(directory));
	get_parent_directory(directory);
	join_path_components(directory, directory, "multicorn/python");

	found = PyUnicode_DecodeFSDefault(directory);
	utils = create_utils_module();
	added = path != NULL && found != NULL && utils != NULL &&
		PyList_Insert(path, 0, found) == 0 &&
		PyDict_SetItemString(PyImport_GetModuleDict(), "multicorn._utils", utils) == 0;
	Py_XDECREF(found);
	Py_XDECREF(utils);
	return added;
}

/*
 * At the end of the process, hold on to the GIL: a worker thread that is still running must not
 * go on running Python while exit() tears down the libraries it uses.
 */
static void
stop_threads(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	if (released != NULL)
	{
		PyEval_RestoreThread(released);
		released = NULL;
	}
}

static void
initialize_python(void)
{
	PyPreConfig preconfig;
	PyConfig	config;

	/*
	 * LC_CTYPE is the database's and must stay so; Python's files and streams are UTF-8 instead of
	 * what the postmaster's environment says.
	 */
	PyPreConfig_InitPythonConfig(&preconfig);
	preconfig.configure_locale = 0;
	preconfig.coerce_c_locale = 0;
	preconfig.utf8_mode = 1;
	check_status(Py_PreInitialize(&preconfig));

	/* PYTHONPATH and PYTHONHOME count, PATH does not: it may lead to another Python. */
	PyConfig_InitPythonConfig(&config);
	config.install_signal_handlers = 0;
	config.parse_argv = 0;
	check_status(PyConfig_SetBytesString(&config, &config.program_name, PYTHON_EXECUTABLE));
	check_status(Py_InitializeFromConfig(&config));
	PyConfig_Clear(&config);
	is_ours = true;
}

/*
 * Start Python in the postmaster, for preload.c. False if Python raised.
 */
bool
py_start_in_postmaster(void)
{
	initialize_python();
	return add_package();
}

/*
 * Start Python at its first use, or take over the one that the postmaster has started.
 */
static void
start_interpreter(void)
{
	bool		added = preload_take_over();

	if (!added && !Py_IsInitialized())
	{
		plpython_before_start();
		initialize_python();
	}

	main_thread = pthread_self();
	/* When this fails the interpreter counts as not started, and the next use tries again. */
	if (!added && !add_package())
		py_throw();
	py_host = PyImport_ImportModule("multicorn._host");
	if (py_host == NULL)
		py_throw();
	to_postgres_init();
	instances_init();
	transactions_init();
	may_release = is_ours;
	if (is_ours)
		plpython_init();
	on_proc_exit(stop_threads, (Datum) 0);
	started = true;
}

int
py_enter(void)
{
	if (released != NULL)
	{
		PyEval_RestoreThread(released);
		released = NULL;
	}
	else if (!started)
		start_interpreter();
	if (depth == 0)
		py_pool_release(0);		/* what starting it has left */
	depth++;
	return pool_length;
}

void
py_leave(int mark)
{
	py_pool_release(mark);
	depth--;
	if (depth == 0 && may_release &&
		PyThreadState_Next(PyInterpreterState_ThreadHead(PyInterpreterState_Get())) != NULL)
		released = PyEval_SaveThread();
}

/*
 * Hand a new reference to the pool; NULL means that Python raised, and throws that.
 */
PyObject *
py_own(PyObject *reference)
{
	if (unlikely(reference == NULL))
		py_throw();
	if (unlikely(pool_length == pool_capacity))
	{
		int			capacity = pool_capacity == 0 ? 256 : 2 * pool_capacity;

		if (pool == NULL)
			pool = MemoryContextAlloc(TopMemoryContext, capacity * sizeof(PyObject *));
		else
			pool = repalloc_huge(pool, capacity * sizeof(PyObject *));
		pool_capacity = capacity;
	}
	pool[pool_length++] = reference;
	return reference;
}

/*
 * Call a function of a module, or a method of any other object, by its name. The format is that of
 * Py_BuildValue() for a tuple; "O" takes a reference of its own.
 */
PyObject *
py_call(PyObject *object, const char *name, const char *format,...)
{
	PyObject   *callable = py_own(PyObject_GetAttrString(object, name));
	PyObject   *arguments;
	va_list		values;

	va_start(values, format);
	arguments = Py_VaBuildValue(format, values);
	va_end(values);
	return py_own(PyObject_CallObject(callable, py_own(arguments)));
}

void
py_append(PyObject *list, PyObject *item)
{
	if (PyList_Append(list, item) < 0)
		py_throw();
}

int
py_pool_mark(void)
{
	return pool_length;
}

/*
 * Release what the pool was given since the mark, the latest first.
 */
void
py_pool_release(int mark)
{
	while (pool_length > mark)
	{
		/* Shorten it first: a destructor may run a query, that enters Python again. */
		PyObject   *reference = pool[--pool_length];

		Py_DECREF(reference);
	}
}

static void
release_holder(void *arg)
{
	PyHolder   *holder = arg;
	int			mark;

	if (holder->object == NULL)
		return;
	mark = py_enter();
	py_holder_set(holder, NULL);
	py_leave(mark);
}

void
py_holder_init(PyHolder *holder, MemoryContext context)
{
	holder->object = NULL;
	holder->callback.func = release_holder;
	holder->callback.arg = holder;
	MemoryContextRegisterResetCallback(context, &holder->callback);
}

void
py_holder_set(PyHolder *holder, PyObject *object)
{
	PyObject   *old = holder->object;

	Py_XINCREF(object);
	holder->object = object;
	Py_XDECREF(old);
}

/*
 * Hold on to the GIL from now on.
 */
void
py_keep(void)
{
	may_release = false;
	if (released != NULL)
	{
		PyEval_RestoreThread(released);
		released = NULL;
	}
}

bool
py_on_main_thread(void)
{
	return pthread_equal(pthread_self(), main_thread);
}
