"""One dialect of docstrings: ``:param name: text`` after an empty line, of what is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bitbucket_fdw

PACKAGE = Path(bitbucket_fdw.__file__).parent
PARAMETER = re.compile(r"^:param (\w+): \S", re.MULTILINE)
OTHER_DIALECTS = re.compile(
    r"^(Args|Arguments|Parameters|Returns|Yields|Raises|Attributes):?$|^-{4,}$|@param|:return:"
    r"|:rtype:|:type ",
    re.MULTILINE,
)

Definition = ast.ClassDef | ast.FunctionDef


def definitions(tree: ast.Module) -> Iterator[Definition]:
    return (n for n in ast.walk(tree) if isinstance(n, (ast.ClassDef, ast.FunctionDef)))


def parameters(node: Definition) -> set[str]:
    """What a call of it can give: a function's arguments, or a class's own or its fields."""
    if isinstance(node, ast.ClassDef):
        fields = {ast.unparse(n.target) for n in node.body if isinstance(n, ast.AnnAssign)}
        made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        return fields.union(*map(parameters, made)) if made else fields
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a]
    return {argument.arg for argument in every}


TREES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}


def faults(tree: ast.Module) -> list[str]:
    """What is wrong with the docstrings of a module."""
    found = []
    for node in (tree, *definitions(tree)):
        text = ast.get_docstring(node) or ""
        name = getattr(node, "name", "the module")
        if OTHER_DIALECTS.search(text):
            found.append(f"{name}: another dialect")
        for match in PARAMETER.finditer(text):
            before = text[: match.start()].rstrip(" ")
            block = before.rpartition("\n\n")[2]
            if block and not block.startswith(":param "):
                found.append(f"{name}: no empty line before {match[0]}")
            if isinstance(node, ast.Module) or match[1] not in parameters(node):
                found.append(f"{name}: it has no parameter {match[1]}")
    return found


@pytest.mark.parametrize("module", TREES)
def test_docstrings_are_of_one_dialect(module):
    assert faults(TREES[module]) == []


@pytest.mark.parametrize("module", [name for name, tree in TREES.items() if tree.body])
def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(TREES[module])


@pytest.mark.parametrize(
    "source",
    [
        'def f(a):\n    """Do.\n\n    Args:\n        a: it\n    """',
        'def f(a):\n    """Do.\n\n    :rtype: int\n    """',
        'def f(a):\n    """Do.\n    :param a: it\n    """',
        'def f(a):\n    """Do.\n\n    :param b: it\n    """',
        'class A:\n    """A.\n\n    :param b: it\n    """\n    a: int',
    ],
)
def test_faults_are_seen(source):
    assert faults(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        'def f(a, *, b=1):\n    """Do.\n\n    :param a: x,\n      yes.\n    :param b: x.\n    """',
        'class A:\n    """A.\n\n    :param a: it.\n    """\n    a: int',
        'class A:\n    """A.\n\n    :param a: it.\n    """\n    def __init__(self, a): ...',
    ],
)
def test_the_dialect_itself_is_no_fault(source):
    assert faults(ast.parse(source)) == []
