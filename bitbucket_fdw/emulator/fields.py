"""The ``fields`` parameter: partial responses.

Stated (REST introduction, "Partial responses"): a bare list means only those fields, ``-x`` takes
one away, ``+x`` adds one that the endpoint leaves out or that a nested object's condensed form
lacks, ``*`` stands for every field of a level, and a name that matches nothing is ignored.
Assumed: a field under a null object gives the null object.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from bitbucket_fdw.emulator.errors import Json

Expand = Callable[[Json], Json]
Trie = dict[str, Any]


def select(default: Json, full: Json, spec: str, expand: Expand) -> Json:
    """A document as ``fields`` wants it.

    :param default: the document without the members that the endpoint leaves out.
    :param full: the document with them.
    :param spec: the value of ``fields``.
    :param expand: gives the full form of a nested object that is shown condensed.
    """
    bare, steps = _parse(spec)
    result: Any = _pick(default, full, bare, expand) if bare is not None else default
    for sign, path in steps:
        result = (
            _prune(result, path) if sign == "-" else _graft(result, default, full, path, expand)
        )
    return result if isinstance(result, dict) else {}


@lru_cache(maxsize=1024)
def _parse(spec: str) -> tuple[Trie | None, tuple[tuple[str, tuple[str, ...]], ...]]:
    """The trie of bare names (None when there are none) and the signed names in their order."""
    bare: Trie | None = None
    steps: list[tuple[str, tuple[str, ...]]] = []
    for item in spec.split(","):
        if item[:1] in ("-", "+"):
            steps.append((item[0], tuple(item[1:].split("."))))
            continue
        bare = {} if bare is None else bare
        node = bare
        for name in item.split("."):
            node = node.setdefault(name, {})
        node[""] = True  # the whole of this field is wanted
    return bare, tuple(steps)


def _pick(default: Any, full: Any, trie: Trie, expand: Expand) -> Any:
    if trie.get(""):
        return full if default is None else default
    if isinstance(full, list):
        # The two lists differ only in what their members leave out, never in length.
        pairs = zip(default if isinstance(default, list) else full, full, strict=True)
        return [_pick(one, other, trie, expand) for one, other in pairs]
    if not isinstance(full, dict):
        return full
    shown = default if isinstance(default, dict) else full
    source = full if all(name == "*" or name in full for name in trie) else {**expand(full), **full}
    picked: Json = {}
    for name, branch in trie.items():
        for key in list(full) if name == "*" else [name]:
            if key in source:
                picked[key] = _pick(shown.get(key), source[key], branch, expand)
    return picked


def _prune(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_prune(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    name, rest = path[0], path[1:]
    if not rest:
        return {} if name == "*" else {key: item for key, item in value.items() if key != name}
    return {key: _prune(item, rest) if name in ("*", key) else item for key, item in value.items()}


def _graft(result: Any, default: Any, full: Any, path: tuple[str, ...], expand: Expand) -> Any:
    trie: Trie = {}
    node = trie
    for name in path:
        node = node.setdefault(name, {})
    node[""] = True
    return _merge(result, _pick(default, full, trie, expand))


def _merge(left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        return {**left, **{key: _merge(left.get(key), item) for key, item in right.items()}}
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [_merge(a, b) for a, b in zip(left, right, strict=True)]
    return right
