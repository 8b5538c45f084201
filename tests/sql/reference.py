"""The emulator's documents as plain tables, made by SQL path expressions from the declarations.

Nothing of the package's way from JSON to rows is used here: a column's declared path and type is
all that both have in common, so that each is a check on the other.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import Any

from devkit.cluster import identifier, literal
from devkit.emulator import Control

from bitbucket_fdw.tables import TABLES, Table
from bitbucket_fdw.tables.columns import Column
from bitbucket_fdw.tables.endpoints import Shape
from tests.support.database import Database
from tests.support.declared import listed_in, looked_up_in
from tests.support.documents import default_branch_commits, rows_of

Row = dict[str, Any]


def load(db: Database, emulator: Control, suffix: str = "_x") -> None:
    """Schemas ``acme_x`` (the whole workspace) and ``website_x`` (one repository) of plain tables.

    They have the tables, columns and types of the foreign schemas ``acme`` and ``website``.
    """
    db.execute("SET TimeZone = 'UTC'")  # some times come without a zone, and are UTC
    db.execute(f"CREATE SCHEMA acme{suffix}; CREATE SCHEMA website{suffix}")
    db.execute("CREATE SCHEMA documents")
    for table in TABLES:
        _load_documents(db, table, _rows(emulator, table))
        selected = ", ".join(_expression(column) for column in table.columns)
        source = f"FROM {_source(table)} AS d"
        whole = f"acme{suffix}.{identifier(table.name)}"
        db.execute(f"CREATE TABLE {whole} AS SELECT {selected} {source}")
        if table.level == "repository":
            db.execute(
                f"CREATE TABLE website{suffix}.{identifier(table.name)} AS "
                f"SELECT * FROM {whole} WHERE repository = 'website'"
            )
    db.execute("DROP SCHEMA documents CASCADE")
    db.execute("RESET TimeZone")


def _rows(emulator: Control, table: type[Table]) -> list[Row]:
    if table.name == "default_branch_commits":
        rows = default_branch_commits(emulator)
    elif any(column.begins for column in table.columns):
        rows = emulator.state()[looked_up_in(table)]  # all that are stored, listed or not
    elif table.collection.explode:
        member = table.collection.explode
        rows = [
            {**row, "document": {**row["document"], member: element}}
            for row in rows_of(emulator, listed_in(table))
            for element in row["document"][member]
        ]
    elif table.collection.shape is Shape.TEXT:
        rows = [_as_text(row) for row in rows_of(emulator, table.name)]
    else:
        rows = rows_of(emulator, table.name)
    return [row for row in rows if row.get("workspace", "acme") == "acme"]


def _as_text(row: Row) -> Row:
    """A row of the state that has a text's bytes, with what a table shows of them."""
    content = b64decode(row["document"]["base64"])
    text = content.decode("utf-8", "replace").replace("\0", "\ufffd")
    return {**row, "document": {"body": text, "content_length": len(content)}}


def _source(table: type[Table]) -> str:
    """The documents; each of them once for every beginning of a value that leads to it alone."""
    documents = f"documents.{identifier(table.name)}"
    for column in table.columns:
        if column.begins is not None:
            shortest, longest = re.findall(r"\d+", (column.pattern or "").partition("{")[2])
            beginning = f"left(e.document ->> {literal(column.begins)}, n)"
            return (
                f"(SELECT * FROM (SELECT e.*, {beginning} AS beginning, "
                f"count(*) OVER (PARTITION BY e.place, {beginning}) AS alike "
                f"FROM {documents} AS e, generate_series({shortest}, {longest}) AS n) AS f "
                "WHERE alike = 1)"
            )
    return documents


def _load_documents(db: Database, table: type[Table], rows: list[Row]) -> None:
    name = f"documents.{identifier(table.name)}"
    db.execute(f"CREATE TABLE {name} (place jsonb, document jsonb)")
    with db.connection.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN".encode()) as copy:
        for row in rows:
            place = {key: value for key, value in row.items() if key != "document"}
            copy.write_row((json.dumps(place), json.dumps(row["document"])))


def _expression(column: Column) -> str:
    name = identifier(column.name)
    if column.begins is not None:
        return f"d.beginning AS {name}"
    if column.path is None:
        return f"{_cast(f'd.place ->> {literal(column.name)}', column.type)} AS {name}"
    path = literal("{" + ",".join(column.keys) + "}")
    if column.present:
        return f"NULLIF(d.document #> {path}, 'null') IS NOT NULL AS {name}"
    if column.union:
        kinds = " ".join(
            f"WHEN jsonb_typeof(d.document -> '{member}') = 'object' THEN '{member}'"
            for member in (path.partition(".")[0] for path in column.union)
        )
        return f"CASE {kinds} ELSE 'other' END AS {name}"
    if column.member:
        name_of, value, wanted = map(literal, column.member)
        return (
            f"(SELECT element ->> {wanted} FROM jsonb_array_elements(d.document #> {path}) element "
            f"WHERE element ->> {name_of} = {value}) AS {name}"
        )
    if column.type == "jsonb":
        return f"NULLIF(d.document #> {path}, 'null') AS {name}"
    if column.template:
        return f"{_address(column, f'd.document #>> {path}')} AS {name}"
    paths = [path, *(literal("{" + other.replace(".", ",") + "}") for other in column.others)]
    found = [f"d.document #>> {path}" for path in paths]
    if column.within:
        last = literal("{" + column.within.replace(".", ",") + "}")
        found.append(f"split_part(d.document #>> {last}, '/', 2)")
    first = f"coalesce({', '.join(found)})"
    return f"{_cast(first, column.type)} AS {name}"


def _address(column: Column, value: str) -> str:
    """An address; the sample data have nothing in their places that must be percent-encoded."""
    assert column.template
    parts = re.split(r"\{(\w*)\}", column.template)
    texts = [
        literal(part) if index % 2 == 0 else f"d.place ->> {literal(part)}" if part else value
        for index, part in enumerate(parts)
    ]
    return " || ".join(f"({text})" for text in texts)


def _cast(text: str, type_name: str) -> str:
    if type_name == "uuid":
        return f"trim('{{}}' FROM {text})::uuid"
    return f"({text})::{type_name}"
