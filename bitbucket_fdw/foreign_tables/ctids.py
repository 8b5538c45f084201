"""The ctid of a foreign table's rows: a number of 48 bits that stands for a row's key.

Programs take a row's ``ctid`` for its identity: psqlODBC's updatable cursors, ``postgres_fdw`` in a
second database, statements like ``DELETE … WHERE ctid IN (SELECT ctid … LIMIT 10)``. PostgreSQL
writes it as ``(block,offset)``, of 32 and 16 bits. A ctid with offset 0 is invalid.

- If a whole number alone identifies the row in its table, the ctid contains that number: issue 42
  of a repository has the ctid ``(42,1)``. A condition on the ctid becomes one on the number.
- For any other key, the ctid is a digest of the key. For a condition on such a ctid, the key is
  looked up among those that this session has seen. If it is not among them, the table is read.
  PostgreSQL compares each row's ctid again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import CtidError
from ..pushdown.conditions import Condition, Qual
from ..pushdown.request import Request
from ..pushdown.typed_values import typed
from ..tables.columns import Column
from ..tables.types import Comparison
from .binding import TableBinding, operator_name

NAME = "ctid"

KEPT = 20_000
"""How many keys of one foreign table are remembered by their digests, some 300 bytes each."""

Key = tuple[str, ...]
"""The parts of a key that the table's options do not fix, as text."""

_TEXT = re.compile(r"\s*\(\s*(\d{1,10})\s*,\s*(\d{1,5})\s*\)\s*", re.ASCII)
_BLOCKS = 2**32
_LAST_OFFSET = 2**16 - 1  # only rows without a key have this offset


class Ctids:
    """The ctids of one foreign table, in one session and for one credential.

    ``available`` is whether the table's rows have a key. ``numbers`` is whether that key is a whole
    number, which the ctid then contains.
    """

    def __init__(self, binding: TableBinding) -> None:
        table = binding.table
        self._key: tuple[Column, ...] = tuple(
            column
            for column in map(table.column, table.primary_key)
            if column.param not in binding.bound
        )
        self.numbers = [c.data_type.comparison for c in self._key] == [Comparison.NUMBER]
        # The key has no parts if the table's options already name its only row.
        self.available = bool(table.primary_key)
        self._known: OrderedDict[str, Key] = OrderedDict()
        self._keyless = 0

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the columns that a ctid is made from."""
        return tuple(column.name for column in self._key)

    def refusal(self) -> CtidError:
        """The error for a statement that relies on the ctid although all rows have the same one."""
        key = " and ".join(self.key) or "its columns"
        return CtidError(
            "rows cannot be told by their ctid here",
            detail="Multicorn2 gives all rows of a foreign table the same ctid.",
            hint=f"Use {key} instead of the ctid, of local tables too, or read these in a "
            "statement of their own.",
        )

    # --- rows ---

    def scan(self, changing: bool) -> ScannedCtids:
        """Gives the rows of one scan their ctids.

        :param changing: whether the scan looks for rows to change.
        """
        return ScannedCtids(self, changing)

    def of_written(self, row: Mapping[str, Any]) -> str | None:
        """The ctid of a row that was written; ``None`` as long as its key is not known."""
        key = self._read(row)
        return None if key is None else self._remembered(key)

    def _read(self, row: Mapping[str, Any]) -> Key | None:
        """A row's key as text, spelled as in the row, except that UUIDs have one form."""
        parts = []
        for column in self._key:
            value = typed(column, row.get(column.name))
            if value is None:
                return None
            parts.append(str(value))
        return tuple(parts)

    def _folded(self, key: Key) -> Key:
        """A key in one spelling. What stands in an address, Bitbucket may take in any letter case.

        The ctid is made from this one. But the row is asked for by the spelling that was seen: the
        key of a project is in capitals.
        """
        pairs = zip(self._key, key, strict=True)
        return tuple(part.casefold() if column.param else part for column, part in pairs)

    def _remembered(self, key: Key) -> str:
        folded = self._folded(key)
        ctid = self._coded(int(key[0])) if self.numbers else _digest(folded)
        if not self.numbers:
            if self._folded(self._known.setdefault(ctid, key)) != folded:
                raise _same_ctid(self.key, ctid, self._known[ctid], key)
            self._known.move_to_end(ctid)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return ctid

    def _coded(self, number: int) -> str:
        offset = 1 + number // _BLOCKS
        if not 0 < offset < _LAST_OFFSET:
            raise CtidError(f"{self._key[0].name} {number} is too large for a ctid")
        return f"({number % _BLOCKS},{offset})"

    def _of_keyless(self) -> str:
        """A ctid for a row without a key: no other row has it, and no condition finds it."""
        self._keyless += 1
        return f"({self._keyless % _BLOCKS},{_LAST_OFFSET})"

    # --- conditions ---

    def narrowed(self, request: Request, quals: Iterable[Qual], wanted: bool) -> Request:
        """The request, narrowed by conditions on the key where ``quals`` are about the ctid.

        :param wanted: whether the statement needs the rows' ctids.
        """
        conditions: list[Condition] = []
        unread: list[str] = []
        for qual in quals:
            found = self._conditions(_equal_to(qual))
            conditions += found or ()
            if found is None or not self.numbers:
                unread.append(f"{NAME} {operator_name(qual.operator)} …")
        columns = request.columns.union(self.key) if wanted else request.columns
        return replace(
            request,
            conditions=(*request.conditions, *conditions),
            unread=(*request.unread, *unread),
            columns=columns,
            # A row's ctid is made of its key.
            unseen=frozenset() if wanted else request.unseen,
        )

    def _conditions(self, ctids: list[Any] | None) -> list[Condition] | None:
        """Conditions that rows with one of these ctids meet; ``None`` if their keys are unknown."""
        if ctids is None:
            return None
        pairs = [_pair(ctid) for ctid in ctids]
        keys: list[Key]
        if self.numbers:
            keys = [
                (str(block + (offset - 1) * _BLOCKS),)
                for block, offset in pairs
                if 0 < offset < _LAST_OFFSET
            ]
        else:
            known = [self._known.get(f"({block},{offset})") for block, offset in pairs]
            if None in known:
                return None
            keys = [key for key in known if key is not None]
        return [
            Condition(
                column,
                "in",
                tuple(dict.fromkeys(column.data_type.condition(key[i]) for key in keys)),
            )
            for i, column in enumerate(self._key)
        ]


class ScannedCtids:
    """The ctids of one scan's rows. Two different keys never get the same ctid."""

    def __init__(self, ctids: Ctids, changing: bool) -> None:
        self._ctids = ctids
        self._changing = changing
        self._keys: dict[str, int] = {}  # the key's hash, by ctid

    def of(self, row: Mapping[str, Any]) -> str:
        """A row's ctid. Raises :class:`CtidError` for a row without a key, and for two keys that
        have the same digest.

        In a scan for rows to change, a row without a key is no error, since it cannot be changed.
        It gets a ctid that finds nothing, and the statement goes on with the other rows.
        """
        ctids = self._ctids
        key = ctids._read(row)
        if key is None:
            if self._changing:
                return ctids._of_keyless()
            raise CtidError(
                f"a row without {' and '.join(_missing(ctids.key, row))} has no ctid",
                hint="Use the columns that identify a row instead of its ctid.",
            )
        ctid, told = ctids._remembered(key), hash(ctids._folded(key))
        if not ctids.numbers and self._keys.setdefault(ctid, told) != told:
            raise _same_ctid(ctids.key, ctid, key)
        return ctid


def _missing(names: tuple[str, ...], row: Mapping[str, Any]) -> list[str]:
    return [name for name in names if row.get(name) is None]


def _digest(key: Key) -> str:
    text = json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return f"({number % _BLOCKS},{1 + number // _BLOCKS % (_LAST_OFFSET - 1)})"


def _equal_to(qual: Qual) -> list[Any] | None:
    """The ctids that a condition allows; ``None`` if it is not a test of equality."""
    if qual.operator == "=" and qual.value is not None:
        return [qual.value]
    if qual.operator == ("=", True) and isinstance(qual.value, (list, tuple)):
        return [value for value in qual.value if value is not None]
    return None


def _pair(ctid: Any) -> tuple[int, int]:
    """Block and offset; those of no row if the text is not a ctid."""
    match = _TEXT.fullmatch(str(ctid))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _same_ctid(names: tuple[str, ...], ctid: str, *keys: Key) -> CtidError:
    told = "; ".join(
        ", ".join(f"{name} {part}" for name, part in zip(names, key, strict=True)) for key in keys
    )
    return CtidError(
        f"two rows have the same ctid {ctid}",
        detail=f"It is made from {told}.",
        hint=f"Use {' and '.join(names)} instead of the ctid.",
    )
