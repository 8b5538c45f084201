"""Pure: clauses of a changing statement that cannot be honoured."""

from __future__ import annotations

from collections.abc import Collection

from ..errors import ReadOnly
from ..tables.table import Table


def refuse_on_conflict(present: bool) -> None:
    """Raise :class:`ReadOnly` for ON CONFLICT, which PostgreSQL would ignore."""
    if present:
        raise ReadOnly(
            "ON CONFLICT cannot be used on foreign tables",
            hint="Leave it out, and INSERT … SELECT … WHERE NOT EXISTS (SELECT …) instead.",
        )


def check_returning(table: type[Table], operation: str, columns: Collection[str] | None) -> None:
    """Raise :class:`ReadOnly` if RETURNING names values that Bitbucket makes only at COMMIT.

    :param operation: ``insert``, ``update`` or ``delete``. A DELETE returns only what was read.
    :param columns: what RETURNING names; ``None`` where the host does not tell.
    """
    known = known_before_sending(table) if operation == "update" else frozenset()
    if operation == "delete" or (columns is not None and known.issuperset(columns)):
        return
    unknown = [name for name in sorted(columns or ()) if name not in known]
    which = f" {', '.join(unknown)}" if unknown and operation == "update" else ""
    raise ReadOnly(
        f"RETURNING{which} cannot be answered before COMMIT",
        detail="write_mode is 'commit': nothing has been sent yet.",
        hint=f"{_instead(known) if unknown and known else 'Leave RETURNING out'}, "
        "or set write_mode to 'immediate'.",
    )


def _instead(known: Collection[str]) -> str:
    return f"Return {', '.join(sorted(known))} only"


def known_before_sending(table: type[Table]) -> frozenset[str]:
    """The columns whose values after an UPDATE are known before it is sent.

    They are the key, the workspace and repository, and the columns that can be set, if Bitbucket
    shows these as they were given. Accounts are not among them, and neither are members of objects
    that have other members as well.
    """
    writes = table.writes
    fields = list(writes.update.fields) if writes.update else []
    for transition in writes.transitions:
        fields += transition.write.fields
    plain = {f.column for f in fields if not f.accounts and not f.clear}
    states = {transition.column for transition in writes.transitions}
    in_path = {column.name for column in table.columns if column.param}
    return frozenset({*table.primary_key, *in_path, *plain, *states, "ctid"})
