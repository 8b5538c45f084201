"""The rooms of the house, and who may import whom: docs/architecture.md draws the same arrows.

Imports are read from the source, those inside functions and under TYPE_CHECKING among them.
"""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bitbucket_fdw

PACKAGE = Path(bitbucket_fdw.__file__).parent
NAME = "bitbucket_fdw"
ANY = "any room but the emulator and the command"

# Room -> the rooms it may import. A module that is its own room is named as it is. Every room may
# import itself and the package's version. From below to above: an arrow never runs back up.
ARROWS: dict[str, set[str] | str] = {
    "errors": set(),
    "plain_text": set(),
    "postgres": {"plain_text"},
    "between_sessions": {"errors"},
    "api": {"between_sessions", "plain_text", "errors"},
    "tables": {"plain_text", "errors"},
    "pushdown": {"tables", "errors"},
    "options": {"errors"},
    "foreign_tables": {"options", "pushdown", "tables", "errors"},
    "sign_in": {"api", "between_sessions", "options", "errors"},
    "connection": {"api", "sign_in"},
    "reading": {"api", "foreign_tables", "pushdown", "tables", "errors"},
    "writing": {"api", "foreign_tables", "pushdown", "reading", "tables", "errors"},
    "reference": {
        "foreign_tables",
        "options",
        "pushdown",
        "sign_in",
        "tables",
        "writing",
        "errors",
    },
    "sql_functions": {"api", "sign_in", "tables", "errors"},
    "wrapper": ANY,
    "emulator": set(),
    "command": {"emulator"},
    "": set(),  # the package's __init__: its version
}

# What does input or output, waits, or asks for the time or chance: not for a pure module, nor for
# any that it imports, nor for those in turn.
IMPURE = {
    *("asyncio", "concurrent", "ctypes", "http", "io", "multiprocessing", "os", "pathlib"),
    *("random", "requests", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib3", "aiohttp", "psycopg"),
    "pyodbc",
    *("filelock", "oauthlib", "requests_oauthlib", "multicorn"),
}
# Rooms and modules, without the package's name.
PURE = (
    *("errors", "options", "plain_text", "tables", "pushdown", "foreign_tables"),
    *("command.connection_formats", "command.connection_settings", "command.ini_files"),
    *("reading.costs", "reading.explain", "reading.items", "reading.omissions"),
    *("writing.changed_columns", "writing.clauses", "writing.requests", "writing.statement_rows"),
)

# Third-party packages, and the only rooms that may know them.
KEPT_IN = {
    "multicorn": {"wrapper"},
    "ctypes": {"postgres", "api"},  # in api for the mask of signals, see scan.py
    "requests": {"api"},
    "urllib3": {"api"},
    "oauthlib": {"api", "emulator"},
    "requests_oauthlib": {"api"},
    "filelock": {"between_sessions"},
    "aiohttp": {"emulator"},
    "lark": {"emulator"},
    "click": {"command"},
    "rich": {"command"},
    "psycopg": {"command"},
    "pyodbc": {"command"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name and file of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join((NAME, *(part for part in parts if part != "__init__"))), path


@functools.cache
def imports(module: str, path: Path) -> tuple[str, ...]:
    """The full dotted names that a module imports; each file is read once."""
    return tuple(_imports(module, path))


def _imports(module: str, path: Path) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join((*above, *filter(None, [node.module])))
            # "from . import options" names a module, "from .errors import X" a thing in one.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """The room of one of our modules: the first part below the package."""
    rest = module.removeprefix(NAME).lstrip(".")
    name = rest.split(".")[0]
    is_room = (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()
    return name if name and is_room else ""


def is_ours(imported: str) -> bool:
    return imported.split(".")[0] == NAME


MODULES = list(modules())
FILES = dict(MODULES)
IDS = [module for module, _ in MODULES]


def targets(module: str) -> set[str]:
    """Our own modules that a module imports, and the packages around them, which run first."""
    found = set()
    for imported in filter(is_ours, imports(module, FILES[module])):
        name = imported if imported in FILES else imported.rpartition(".")[0]
        while name != NAME:
            found.add(name)
            name = name.rpartition(".")[0]
    # A part of a package that imports its own package would do so while that is being made.
    return {name for name in found if not module.startswith(f"{name}.")} - {module}


TARGETS = {module: targets(module) for module in FILES}


@functools.cache
def reached(module: str) -> frozenset[str]:
    """The module and all that it leads to."""
    found, new = {module}, {module}
    while new:
        new = {there for here in new for there in TARGETS[here]} - found
        found |= new
    return frozenset(found)


def is_pure(module: str) -> bool:
    rest = module.removeprefix(f"{NAME}.")
    return any(rest == name or rest.startswith(f"{name}.") for name in PURE)


@pytest.mark.parametrize(("module", "path"), MODULES, ids=IDS)
def test_every_arrow_between_rooms_is_allowed(module, path):
    here = room(module)
    assert here in ARROWS, f"say in ARROWS which rooms {module} may import"
    allowed = ARROWS[here]
    for imported in filter(is_ours, imports(module, path)):
        there = room(imported)
        if there in (here, ""):
            continue
        if allowed == ANY:
            assert there not in ("emulator", "command"), f"{module} imports {there}"
        else:
            assert there in allowed, f"{module} imports {imported}"


def test_no_allowance_is_unused():
    used = {
        (room(module), room(imported))
        for module, path in MODULES
        for imported in filter(is_ours, imports(module, path))
    }
    allowed = {(here, there) for here, rooms in ARROWS.items() if rooms != ANY for there in rooms}
    assert not allowed - used
    assert set(ARROWS) == {room(module) for module, _ in MODULES}
    known = {
        (room(module), imported.split(".")[0])
        for module, path in MODULES
        for imported in imports(module, path)
    }
    assert not {(there, name) for name, rooms in KEPT_IN.items() for there in rooms} - known
    assert all(any(is_pure(m) and f"{m}.".startswith(f"{NAME}.{p}.") for m in FILES) for p in PURE)


def test_no_arrow_between_rooms_runs_back_up():
    # The table is written from below to above, which is what makes it free of circles.
    seen: set[str] = set()
    for here, rooms in ARROWS.items():
        if rooms != ANY:
            assert set(rooms) <= seen, f"{here} imports what stands above it"
        seen.add(here)


def test_no_module_leads_back_to_itself():
    circles = [
        module for module in FILES if any(module in reached(there) for there in TARGETS[module])
    ]
    assert not circles


@pytest.mark.parametrize(
    "module", ["emulator.__main__", "emulator.resources", "reference.__main__", "sql_functions"]
)
def test_a_program_can_begin_with_the_module(module):
    # Modules that are found in a folder are imported by no statement that the tests above read.
    program = [sys.executable, "-c", f"import {NAME}.{module}"]
    done = subprocess.run(program, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("module", "path"), MODULES, ids=IDS)
def test_libraries_stay_in_their_rooms(module, path):
    for imported in imports(module, path):
        top = imported.split(".")[0]
        if top in KEPT_IN:
            assert room(module) in KEPT_IN[top], f"{module} imports {top}"


@pytest.mark.parametrize("module", [m for m in FILES if is_pure(m)])
def test_pure_modules_lead_to_no_input_or_output(module):
    found = {
        f"{there} imports {imported}"
        for there in reached(module)
        for imported in imports(there, FILES[there])
        if imported.split(".")[0] in IMPURE
    }
    assert not found


def test_the_reading_of_imports_sees_what_is_there():
    # The tests above would pass on an empty list; these are known to be imported.
    known = {
        f"{NAME}.wrapper.foreign_table": ("multicorn.ForeignDataWrapper", f"{NAME}.options"),
        f"{NAME}.pushdown.shippable": (f"{NAME}.tables.columns.Filter", f"{NAME}.pushdown.bbql"),
        f"{NAME}.command.main": (f"{NAME}.emulator.__main__.main",),
    }
    for module, expected in known.items():
        assert set(expected) <= set(imports(module, FILES[module]))
    assert f"{NAME}.between_sessions.tokens" in reached(f"{NAME}.wrapper.foreign_table")


def test_modules_stay_readable():
    long = {
        module: lines
        for module, path in MODULES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) >= 500
    }
    assert not long
