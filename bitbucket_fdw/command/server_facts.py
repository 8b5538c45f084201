"""What a database says about itself: read from PostgreSQL's catalog, without a request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Runs a query and gives its rows as texts.
Run = Callable[[str], Sequence[Sequence[str | None]]]

# The comment of the extension that is installed in the server, which nobody can change by SQL.
_BUNDLED = "bundled host"
_CHUNK = 200  # isql shows 300 bytes of a value

_BASE = {
    "search_path": "current_setting('search_path')",
    "usable": "array_to_json(current_schemas(false))::text",
    "extensions": "(SELECT json_object_agg(extname, extversion) FROM pg_extension"
    " WHERE extname IN ('multicorn', 'bitbucket_fdw'))::text",
    "available": "(SELECT comment FROM pg_available_extensions WHERE name = 'multicorn')",
    "write_mode": "current_setting('bitbucket_fdw.write_mode', true)",
    "on_rollback": "current_setting('bitbucket_fdw.on_rollback', true)",
    "column labels": "current_setting('multicorn.column_labels', true)",
    "read_only": "current_setting('default_transaction_read_only')",
}
_TABLES = {
    "imported": "(SELECT json_object_agg(schema, n) FROM (SELECT schema, count(*) AS n"
    " FROM bitbucket.imported_tables GROUP BY schema) s)::text",
    "labelled": "(SELECT json_agg(DISTINCT t.schema) FROM bitbucket.imported_tables t"
    " JOIN pg_attribute a ON a.attrelid = t.relation"
    " CROSS JOIN LATERAL pg_options_to_table(a.attfdwoptions) o"
    " WHERE o.option_name = 'label')::text",
}


@dataclass(frozen=True)
class Facts:
    """What a session is like.

    :param search_path: the schemas it names, without those of PostgreSQL's own.
    :param usable: those of them that are there and may be used.
    :param multicorn: the version of the extension; None if it is not there.
    :param extension: likewise, of bitbucket_fdw.
    :param bundled: whether the host is the bundled one.
    :param imported: the number of imported tables by schema.
    :param labelled: the schemas in which columns have labels.
    """

    search_path: tuple[str, ...]
    usable: tuple[str, ...]
    multicorn: str | None
    extension: str | None
    bundled: bool
    write_mode: str
    on_rollback: str
    labels: bool
    read_only: bool
    imported: dict[str, int]
    labelled: tuple[str, ...]


def ask(run: Run) -> Facts:
    """Ask through an open session."""
    base = _values(run, _BASE)
    extensions = json.loads(base["extensions"] or "{}")
    of_tables = _values(run, _TABLES) if "bitbucket_fdw" in extensions else dict.fromkeys(_TABLES)
    return Facts(
        search_path=split_identifiers(base["search_path"] or ""),
        usable=tuple(json.loads(base["usable"] or "[]")),
        multicorn=extensions.get("multicorn"),
        extension=extensions.get("bitbucket_fdw"),
        bundled=_BUNDLED in (base["available"] or ""),
        write_mode=base["write_mode"] or "",
        on_rollback=base["on_rollback"] or "",
        labels=base["column labels"] in ("on", "true", "yes", "1"),
        read_only=base["read_only"] == "on",
        imported=json.loads(of_tables["imported"] or "{}"),
        labelled=tuple(json.loads(of_tables["labelled"] or "[]")),
    )


def _values(run: Run, expressions: dict[str, str]) -> dict[str, str | None]:
    """The value of each expression; each goes in pieces, of which some clients show the begin only.

    The pieces stand between marks, because clients take blanks at an end away.
    """
    facts = ", ".join(f"('{name}', {expression})" for name, expression in expressions.items())
    found = run(
        f"SELECT name, n::text, '<' || substr(value, n * {_CHUNK} + 1, {_CHUNK}) || '>'"  # noqa: S608
        f" FROM (VALUES {facts}) AS facts (name, value),"
        f" generate_series(0, coalesce(length(value), 0) / {_CHUNK}) AS n ORDER BY name, n"
    )
    values: dict[str, str | None] = dict.fromkeys(expressions)
    for name, _, piece in found:
        if name is not None and piece:
            values[name] = (values[name] or "") + piece[1:-1]
    return values


def split_identifiers(text: str) -> tuple[str, ...]:
    """The names in a value of ``search_path``, as PostgreSQL shows it."""
    found = re.findall(r'"((?:[^"]|"")+)"|([^\s,"]+)', text)
    names = (quoted.replace('""', '"') or plain for quoted, plain in found)
    return tuple(name for name in names if name not in ("$user", "pg_catalog", "pg_temp"))


def schemas_of(
    run: Run, workspace: str, repository: str | None, names: str | None
) -> list[tuple[str, str]]:
    """The schemas into which a workspace, or a repository of it, was imported, with their names.

    :param names: only schemas with names of this kind, such as ``flat``; None for any.
    """
    # A schema of a project is neither; databases of an earlier version have no such column.
    whole = "IS NULL AND to_jsonb(t) ->> 'project' IS NULL"
    place = whole if repository is None else f"= {_literal(repository.lower())}"
    kind = "" if names is None else f"HAVING max(names) = {_literal(names)} "
    found = run(
        "SELECT schema, max(names) FROM bitbucket.imported_tables t "  # noqa: S608
        f"WHERE workspace = {_literal(workspace.lower())} AND repository {place} "
        f"GROUP BY schema {kind}ORDER BY count(*) DESC, schema"
    )
    return [(schema, kind or "") for schema, kind in found if schema is not None]


def absent(run: Run, schemas: Sequence[str]) -> list[str]:
    """Those of the schemas that are not there, or not open to this user."""
    names = ", ".join(map(_literal, schemas))
    found = run(
        "SELECT nspname::text FROM pg_namespace "  # noqa: S608
        f"WHERE nspname IN ({names or 'NULL'}) AND has_schema_privilege(oid, 'USAGE')"
    )
    return [name for name in schemas if (name,) not in map(tuple, found)]


def _literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
