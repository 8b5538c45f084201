"""Prints what ODBC's catalog functions say, as JSON. Called with a DSN, a schema, and tables."""

from __future__ import annotations

import json
import sys
from typing import Any

import pyodbc


def rows(cursor: pyodbc.Cursor) -> list[dict[str, Any]]:
    names = [column[0].lower() for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def main(dsn: str, schema: str, *tables: str) -> None:
    connection = pyodbc.connect(f"DSN={dsn}", autocommit=True)
    cursor = connection.cursor()
    found: dict[str, Any] = {
        "tables": rows(cursor.tables(schema=schema, tableType="TABLE")),
        "procedures": rows(cursor.procedures(schema="bitbucket")),
    }
    for table in tables:
        found[table] = {
            "columns": rows(cursor.columns(table=table, schema=schema)),
            "primary key": rows(cursor.primaryKeys(table=table, schema=schema)),
            "foreign keys": rows(cursor.foreignKeys(foreignTable=table, foreignSchema=schema)),
            "row id": rows(cursor.rowIdColumns(table=table, schema=schema)),
            "row version": rows(cursor.rowVerColumns(table=table, schema=schema)),
            "indexes": rows(cursor.statistics(table=table, schema=schema, unique=True)),
        }
    json.dump(found, sys.stdout)


main(*sys.argv[1:])
