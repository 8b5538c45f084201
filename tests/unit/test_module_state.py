"""State belongs to objects that somebody makes and hands over, not to modules.

What a module holds lives as long as the process and is the same for every test, credential and
table. So each value at the top level of a module or of a class has to be a constant, or be listed
below with its reason. It is read from the source:

- Text, numbers, tuples, and calls of what makes immutable things, are constants.
- A list, dict or set is a constant if it has members and nothing in its module changes it.
- Caches of functions (``functools.cache``) follow from their arguments alone, and are no state.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import bitbucket_fdw

PACKAGE = Path(bitbucket_fdw.__file__).parent

# The emulator is a process of its own: its modules fill tables of routes as they are imported.
LEFT_ALONE = ("emulator",)

# Module and name -> why this is state that belongs to a module.
ALLOWED = {
    ("wrapper.backend_state", "STATE"): "the host makes the wrapper's instances from options alone",
    ("wrapper.host", "HOST"): "the one host around this interpreter; asked once",
    ("postgres.backend", "_program"): "the program that this interpreter runs in",
    ("postgres.interrupts", "_at_exit"): "PostgreSQL keeps a pointer to what is in it",
    ("postgres.statement_text", "_present"): "the text of the one statement that the backend runs",
    ("api.scan", "_C_LIBRARY"): "the C library of this process, of which there is one",
    ("api.scan", "_EVERY_SIGNAL"): "filled once, and only read from then on",
    ("api.flights", "_current"): "a request's library has no other way to tell what it is part of",
}

# Calls of the standard library and of others that make constants.
MAKES_CONSTANTS = {
    *("frozenset", "tuple", "object", "re.compile", "timedelta", "datetime", "TypeVar", "replace"),
    *("field", "ctypes.sizeof", "click.option", "dataclasses.replace"),
    # The backend's functions and variables, as functions.
    *("function", "variable", "_flag"),
}

CHANGES = {
    *("append", "appendleft", "extend", "insert", "add", "update", "setdefault", "pop", "popitem"),
    *("popleft", "remove", "discard", "clear", "sort", "reverse"),
}
LITERALS = (ast.Dict, ast.List, ast.Set)
COMPREHENSIONS = (ast.DictComp, ast.ListComp, ast.SetComp)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in LEFT_ALONE:
            name = ".".join(part for part in parts if part != "__init__")
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def classes(body: list[ast.stmt]) -> Iterator[ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
            yield from classes(node.body)


def is_frozen(node: ast.ClassDef) -> bool:
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    if any("frozen=True" in decorator for decorator in decorators):
        return True
    # Without any attribute of its own there is nothing to change; a base may have some.
    sets = any(
        isinstance(target, ast.Attribute)
        for part in ast.walk(node)
        if isinstance(part, (ast.Assign, ast.AnnAssign, ast.AugAssign))
        for target in (part.targets if isinstance(part, ast.Assign) else [part.target])
    )
    return not sets and not decorators


MODULES = dict(modules())
CLASSES = {node.name: node for tree in MODULES.values() for node in classes(tree.body)}
PURE_FUNCTIONS = {
    node.name
    for name, tree in MODULES.items()
    if name.startswith("tables")
    for node in tree.body
    if isinstance(node, ast.FunctionDef)
}


def makes_a_constant(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name in MAKES_CONSTANTS or name in PURE_FUNCTIONS:
        return True
    if name not in CLASSES:
        return False
    node = CLASSES[name]
    bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
    return is_frozen(node) and all(b not in CLASSES or is_frozen(CLASSES[b]) for b in bases)


def changed_names(tree: ast.Module) -> set[str]:
    """Names of the module that something in it changes, or binds anew from within a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            found.update(node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in CHANGES:
                found.add(ast.unparse(node.func.value))
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(
            node.ctx, ast.Load
        ):
            found.add(ast.unparse(node.value))
            found.add(ast.unparse(node))
    return found


def values(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a module and its classes bind, and to what."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from values(node.body, f"{within}{node.name}.")
        elif isinstance(node, ast.Assign):
            yield from ((within + ast.unparse(target), node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign):
            yield within + ast.unparse(node.target), node.value
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from values(node.body, within)


def is_state(name: str, value: ast.expr | None, changed: set[str]) -> bool:
    if name in changed:
        return True
    if isinstance(value, LITERALS):
        return not ast.unparse(value).strip("{}[] ")
    if isinstance(value, COMPREHENSIONS):
        return False
    return isinstance(value, ast.Call) and not makes_a_constant(value)


def state(tree: ast.Module) -> set[str]:
    changed = changed_names(tree)
    return {name for name, value in values(tree.body) if is_state(name, value, changed)}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_holds_state(module):
    allowed = {name for where, name in ALLOWED if where == module}
    assert state(MODULES[module]) - allowed == set()


def test_no_allowance_is_unused():
    held = {(module, name) for module, tree in MODULES.items() for name in state(tree)}
    assert not set(ALLOWED) - held


@pytest.mark.parametrize(
    "source",
    [
        "KEPT = {}",
        "KEPT: dict[str, int] = {}",
        "KEPT = {'a': 1}\ndef keep():\n    KEPT['b'] = 2",
        "KEPT = [1]\ndef keep():\n    KEPT.append(2)",
        "KEPT = deque(maxlen=20)",
        "KEPT = Journal()",
        "KEPT = threading.Condition()",
        "KEPT = 0\ndef keep():\n    global KEPT\n    KEPT = 1",
        "class A:\n    KEPT: ClassVar[dict[str, int]] = {}",
        "class A:\n    KEPT = 0\n    def keep(self):\n        A.KEPT += 1",
        "if True:\n    KEPT = Sizes()",
    ],
)
def test_state_is_seen(source):
    assert {name.rpartition(".")[2] for name in state(ast.parse(source))} == {"KEPT"}


@pytest.mark.parametrize(
    "source",
    [
        "KEPT = {'a': 1}",
        "KEPT = re.compile('x')",
        "KEPT = NextLinks()",
        "KEPT = Scopes(())",
        "KEPT = 1\ndef keep():\n    KEPT = 2\n    return KEPT",
    ],
)
def test_constants_are_no_state(source):
    assert state(ast.parse(source)) == set()


def test_all_of_the_package_is_looked_at():
    assert {"reading.streams", "writing.journal", "api.client", "wrapper.reports"} <= set(MODULES)
    assert len(list(itertools.chain.from_iterable(values(t.body) for t in MODULES.values()))) > 500
