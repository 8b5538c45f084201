"""What a database editor such as DBArtisan does with an ODBC data source, as JSON.

Called with a data source's name, a user, a password, a schema and a table. It registers the data
source, connects with the login, draws the tree of objects, runs a statement in its SQL window, and
edits the table's rows in a grid: it changes a cell, adds a row and deletes it. Statements quote
names as the driver says.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pyodbc


def rows(cursor: pyodbc.Cursor) -> list[dict[str, Any]]:
    names = [column[0].lower() for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def tree(cursor: pyodbc.Cursor, schema: str, table: str) -> dict[str, Any]:
    """Schemas, types, and what hangs below them."""
    return {
        "schemas": [row["table_schem"] for row in rows(cursor.tables(schema="%", table=""))],
        "types": [row["table_type"] for row in rows(cursor.tables(tableType="%", table=""))],
        "tables": [row["table_name"] for row in rows(cursor.tables(schema=schema))],
        "views": [
            row["table_name"] for row in rows(cursor.tables(schema=schema, tableType="VIEW"))
        ],
        "columns": [
            [row["column_name"], row["type_name"], row["nullable"]]
            for row in rows(cursor.columns(table=table, schema=schema))
        ],
        "key": [row["column_name"] for row in rows(cursor.primaryKeys(table=table, schema=schema))],
        "foreign keys": rows(cursor.foreignKeys(foreignTable=table, foreignSchema=schema)),
        "row id": rows(cursor.rowIdColumns(table=table, schema=schema)),
        "indexes": rows(cursor.statistics(table=table, schema=schema, unique=True)),
        "procedures": [
            row["procedure_name"] for row in rows(cursor.procedures(schema="bitbucket"))
        ],
    }


class Grid:
    """The rows of a table, of which each is told by the key that the driver names."""

    def __init__(self, connection: pyodbc.Connection, schema: str, table: str) -> None:
        self.cursor = connection.cursor()
        self.quote = connection.getinfo(pyodbc.SQL_IDENTIFIER_QUOTE_CHAR)
        self.table = f"{self.quoted(schema)}.{self.quoted(table)}"
        found = rows(self.cursor.columns(table=table, schema=schema))
        self.columns = [row["column_name"] for row in found]
        found = rows(self.cursor.primaryKeys(table=table, schema=schema))
        self.key = [row["column_name"] for row in found]
        shown = ", ".join(map(self.quoted, self.columns))
        order = ", ".join(map(self.quoted, self.key))
        self.cursor.execute(f"SELECT {shown} FROM {self.table} ORDER BY {order}")
        self.rows = [dict(zip(self.columns, row, strict=True)) for row in self.cursor.fetchall()]

    def quoted(self, name: str) -> str:
        return f"{self.quote}{name}{self.quote}"

    def run(self, statement: str, *values: Any) -> int:
        self.cursor.execute(statement, *values)
        return int(self.cursor.rowcount)

    def where(self, row: dict[str, Any]) -> tuple[str, list[Any]]:
        condition = " AND ".join(f"{self.quoted(part)} = ?" for part in self.key)
        return condition, [row[part] for part in self.key]

    def change(self, row: dict[str, Any], column: str, value: Any) -> int:
        condition, key = self.where(row)
        return self.run(
            f"UPDATE {self.table} SET {self.quoted(column)} = ? WHERE {condition}", value, *key
        )

    def add(self, **values: Any) -> int:
        names = ", ".join(map(self.quoted, values))
        marks = ", ".join("?" * len(values))
        return self.run(f"INSERT INTO {self.table} ({names}) VALUES ({marks})", *values.values())

    def delete(self, row: dict[str, Any]) -> int:
        condition, key = self.where(row)
        return self.run(f"DELETE FROM {self.table} WHERE {condition}", *key)


def main(source: str, user: str, password: str, schema: str, table: str) -> None:
    registered = source in pyodbc.dataSources()
    login = f"DSN={source};UID={user};PWD={password}"
    connection = pyodbc.connect(login, autocommit=True)
    cursor = connection.cursor()
    shown = tree(cursor, schema, table)
    cursor.execute("SELECT Title, ContentRaw FROM Issues WHERE Id = '1'")
    window = {"columns": [column[0] for column in cursor.description], "rows": cursor.fetchall()}
    grid = Grid(connection, schema, table)
    before = grid.rows
    counts = [
        grid.change(before[0], "title", "Edited in a grid"),
        grid.add(title="Added in a grid"),
    ]
    added = Grid(connection, schema, table).rows[-1]
    counts.append(grid.delete(added))
    found = {
        "registered": registered,
        "tree": shown,
        "window": window,
        "counts": counts,
        "before": [row["title"] for row in before],
        "added": added["title"],
        "after": [row["title"] for row in Grid(connection, schema, table).rows],
    }
    json.dump(found, sys.stdout, default=lambda value: list(value) if value else str(value))


main(*sys.argv[1:])
