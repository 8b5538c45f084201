"""The rooms of the house, and who may import whom: docs/architecture.md draws the same arrows.

Imports are read from the source, those inside functions and under TYPE_CHECKING among them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bitbucket_fdw

PACKAGE = Path(bitbucket_fdw.__file__).parent
NAME = "bitbucket_fdw"
ANY = "any room but the emulator"

# Room -> the rooms it may import. A module that is its own room is named as it is. Every room may
# import itself and the package's version.
ARROWS: dict[str, set[str] | str] = {
    "errors": set(),
    "backend": set(),
    "interrupts": {"backend"},
    "tables": set(),
    "paths": {"errors"},
    "values": {"tables", "wording"},
    "pushdown": {"tables", "paths", "errors"},
    "prepared": {"backend"},
    "statement": {"backend", "ctid_uses", "prepared"},
    "plain_text": set(),
    "wording": {"backend", "plain_text"},
    "scans": {"tables"},
    "changes": {"tables", "pushdown", "values", "errors"},
    "seen": {"changes", "tables"},
    "earlier": {"changes", "errors", "pushdown", "sending", "tables"},
    "writes": {"tables", "paths", "values", "errors"},
    "lookups": {
        *("api", "binding", "changes", "execution", "interrupts", "paths", "pushdown", "sizes"),
        *("tables", "values", "writes", "errors"),
    },
    "overwriting": {"lookups", "tables", "writes", "errors"},
    "verdicts": {"changes", "lookups", "writes", "errors"},
    "transactions": {"tables", "writes", "errors"},
    "sending": {
        *("api", "changes", "items", "lookups", "tables", "transactions", "values", "verdicts"),
        *("writes", "errors"),
    },
    "clauses": {"tables", "errors"},
    "session_settings": {"backend", "options", "errors"},
    "waiting": {"changes", "pushdown", "sending", "tables", "transactions"},
    "modify": {
        *("api", "binding", "changes", "earlier", "errors", "lookups", "overwriting", "pushdown"),
        *("scans", "seen", "sending", "sizes", "tables", "transactions", "verdicts", "waiting"),
        "writes",
    },
    "api": {"plain_text", "errors"},
    "mapping_user": {"backend"},
    "secrets": {"mapping_user", "errors"},
    "options": {"mapping_user", "secrets", "errors"},
    "sign_in": {"api", "mapping_user", "options", "errors"},
    "connection": {"api", "mapping_user", "sign_in"},
    "foreign_schema": {"tables", "options", "errors"},
    "binding": {"tables", "pushdown", "options", "errors"},
    "ctid_uses": set(),
    "ctids": {"binding", "changes", "pushdown", "tables", "errors"},
    "catalog": {
        *("tables", "pushdown", "sign_in", "foreign_schema", "options", "writes", "errors"),
    },
    "advice": {"tables", "errors"},
    "estimate": {"tables", "pushdown", "binding"},
    "explain": {"pushdown", "estimate"},
    "left_out": set(),
    "sizes": {"tables", "paths", "pushdown"},
    "absence": {"left_out", "tables", "paths", "pushdown", "values", "errors"},
    "items": {"tables", "values", "errors"},
    "streams": {
        *("absence", "api", "items", "left_out", "sizes", "tables", "paths", "pushdown", "errors"),
    },
    "reach": {"api", "left_out", "streams", "tables", "paths", "pushdown"},
    "counting": {"absence", "api", "streams", "errors"},
    "execution": {
        *("api", "counting", "left_out", "reach", "sizes", "streams", "tables", "paths"),
        *("pushdown", "errors"),
    },
    "reader": {"api", "left_out", "sizes", "streams", "execution", "tables", "pushdown"},
    "docs": {"tables", "pushdown", "options", "catalog", "writes"},
    "wrapper": ANY,
    "cli": {"login", "emulator"},
    "login": set(),
    "curl": set(),
    "verify": {"api", "curl", "errors", "paths", "tables"},
    "authorization": {"api", "sign_in", "errors"},
    "services": {"api", "authorization", "curl", "mapping_user", "sign_in", "verify", "errors"},
    "emulator": set(),
    "": set(),  # the package's __init__: its version
}

# What does input or output, waits, or asks for the time or chance: not for a pure room.
IMPURE = {
    *("asyncio", "concurrent", "ctypes", "http", "io", "multiprocessing", "os", "pathlib"),
    *("random", "requests", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib3", "aiohttp", "psycopg"),
    *("filelock", "oauthlib", "requests_oauthlib", "multicorn"),
}
PURE = (
    *("errors", "tables", "pushdown", "changes", "clauses", "seen", "writes", "foreign_schema"),
    *("estimate", "explain", "advice", "ctids", "ctid_uses", "items", "left_out", "plain_text"),
)

# Third-party packages, and the only rooms that may know them.
KEPT_IN = {
    "multicorn": {"wrapper"},
    "requests": {"api"},
    "urllib3": {"api"},
    "oauthlib": {"api", "emulator"},
    "requests_oauthlib": {"api"},
    "requests_cache": {"api"},
    "filelock": {"api"},
    "aiohttp": {"emulator"},
    "lark": {"emulator"},
    "click": {"cli"},
    "rich": {"cli"},
    "psycopg": {"cli"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name and file of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join((NAME, *(part for part in parts if part != "__init__"))), path


def imports(module: str, path: Path) -> Iterator[str]:
    """The full dotted names that a module imports."""
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
IDS = [module for module, _ in MODULES]


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
            assert there != "emulator", f"{module} imports the emulator"
        else:
            assert there in allowed, f"{module} imports {imported}"


@pytest.mark.parametrize(("module", "path"), MODULES, ids=IDS)
def test_libraries_stay_in_their_rooms(module, path):
    for imported in imports(module, path):
        top = imported.split(".")[0]
        if top in KEPT_IN:
            assert room(module) in KEPT_IN[top], f"{module} imports {top}"


@pytest.mark.parametrize(
    ("module", "path"), [pair for pair in MODULES if room(pair[0]) in PURE], ids=str
)
def test_pure_rooms_do_no_input_or_output(module, path):
    found = {imported.split(".")[0] for imported in imports(module, path)} & IMPURE
    assert not found, f"{module} imports {', '.join(sorted(found))}"


def test_the_reading_of_imports_sees_what_is_there():
    # The tests above would pass on an empty list; these are known to be imported.
    known = {
        f"{NAME}.wrapper.foreign_table": ("multicorn.ForeignDataWrapper", f"{NAME}.options"),
        f"{NAME}.pushdown.shippable": (f"{NAME}.tables.base.Filter", f"{NAME}.pushdown.bbql"),
        f"{NAME}.cli": (f"{NAME}.emulator.__main__.main",),
    }
    files = dict(MODULES)
    for module, expected in known.items():
        assert set(expected) <= set(imports(module, files[module]))


def test_the_map_has_no_room_that_is_gone():
    present = {room(module) for module, _ in MODULES}
    building = {"catalog", "login", "secrets", "verify", "writes"}
    assert set(ARROWS) - present <= building


def test_modules_stay_readable():
    long = {
        module: lines
        for module, path in MODULES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) >= 500
    }
    assert not long
