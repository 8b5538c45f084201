"""Changes rows where an ODBC cursor stands, as grids do: SQLSetPos on a keyset-driven cursor.

Called with a data source's name, the query, and steps: ``update N TEXT`` sets the second column of
the N-th row, ``delete N`` deletes it, ``refresh N`` reads it again, ``add TEXT`` inserts a row.
Prints what each step said, and the rows as the cursor has them at last, as JSON. The driver manager
is called without the headers of ODBC, whose constants are those of ``sql.h`` and ``sqlext.h``.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

ROWS, WIDTH = 50, 400
SUCCESS = (0, 1)  # SQL_SUCCESS, SQL_SUCCESS_WITH_INFO
NO_DATA = 100
ENV, DBC, STMT = 1, 2, 3
NULL, COLUMN_IGNORE, NTS = -1, -6, -3
REFRESH, UPDATE, DELETE, ADD = 1, 2, 3, 4

odbc = ctypes.CDLL("libodbc.so.2")
handle = ctypes.c_void_p


def diagnostics(kind: int, of: Any) -> list[str]:
    found = []
    state, text = ctypes.create_string_buffer(6), ctypes.create_string_buffer(2000)
    native, length = ctypes.c_int(), ctypes.c_short()
    arguments = (state, ctypes.byref(native), text, ctypes.c_short(2000), ctypes.byref(length))
    while odbc.SQLGetDiagRec(ctypes.c_short(kind), of, len(found) + 1, *arguments) in SUCCESS:
        found.append(f"{state.value.decode()} {text.value.decode(errors='replace')}")
    return found


def checked(result: int, kind: int, of: Any) -> None:
    if ctypes.c_short(result).value not in SUCCESS:
        sys.exit("\n".join(diagnostics(kind, of)))


def allocated(kind: int, parent: Any) -> Any:
    made = handle()
    odbc.SQLAllocHandle(ctypes.c_short(kind), parent, ctypes.byref(made))
    return made


def set_attribute(statement: Any, attribute: int, value: Any) -> None:
    checked(odbc.SQLSetStmtAttr(statement, attribute, ctypes.c_void_p(value), 0), STMT, statement)


class Column:
    """A bound column: texts of a rowset, and their lengths."""

    def __init__(self, statement: Any, number: int) -> None:
        self.texts = (ctypes.c_char * WIDTH * ROWS)()
        self.lengths = (ctypes.c_ssize_t * ROWS)()
        checked(
            odbc.SQLBindCol(
                statement, ctypes.c_ushort(number), ctypes.c_short(1), self.texts,
                ctypes.c_ssize_t(WIDTH), self.lengths,
            ),
            STMT,
            statement,
        )  # fmt: skip

    def get(self, row: int) -> str | None:
        return None if self.lengths[row] == NULL else self.texts[row].value.decode()

    def set(self, row: int, text: str) -> None:
        self.texts[row].value = text.encode()
        self.lengths[row] = NTS


def main(dsn: str, query: str, *steps: str) -> None:
    env = allocated(ENV, None)
    checked(odbc.SQLSetEnvAttr(env, 200, ctypes.c_void_p(3), 0), ENV, env)
    dbc = allocated(DBC, env)
    string = dsn.encode()
    result = odbc.SQLDriverConnect(
        dbc, None, string, ctypes.c_short(len(string)), None, ctypes.c_short(0), None,
        ctypes.c_ushort(0),
    )  # fmt: skip
    checked(result, DBC, dbc)
    statement = allocated(STMT, dbc)
    fetched, status = ctypes.c_ulong(), (ctypes.c_ushort * ROWS)()
    set_attribute(statement, 6, 1)  # SQL_ATTR_CURSOR_TYPE: SQL_CURSOR_KEYSET_DRIVEN
    set_attribute(statement, 7, 3)  # SQL_ATTR_CONCURRENCY: SQL_CONCUR_ROWVER
    set_attribute(statement, 27, ROWS)  # SQL_ATTR_ROW_ARRAY_SIZE
    set_attribute(statement, 25, ctypes.addressof(status))  # SQL_ATTR_ROW_STATUS_PTR
    set_attribute(statement, 26, ctypes.addressof(fetched))  # SQL_ATTR_ROWS_FETCHED_PTR
    checked(odbc.SQLExecDirect(statement, query.encode(), NTS), STMT, statement)
    columns = [Column(statement, number) for number in (1, 2)]
    checked(odbc.SQLFetchScroll(statement, ctypes.c_short(1), ctypes.c_ssize_t(0)), STMT, statement)
    said = []
    for step in steps:
        word, *rest = step.split(" ", 2)
        row = fetched.value if word == "add" else int(rest[0]) - 1
        columns[0].lengths[row] = COLUMN_IGNORE if word in ("update", "add") else 0
        if word in ("update", "add"):
            columns[1].set(row, rest[-1])
        operation = {"update": UPDATE, "delete": DELETE, "refresh": REFRESH, "add": ADD}[word]
        done = odbc.SQLSetPos(
            statement, ctypes.c_ulong(row + 1), ctypes.c_ushort(operation), ctypes.c_ushort(0)
        )
        said.append([ctypes.c_short(done).value, diagnostics(STMT, statement), status[row]])
    rows = [[column.get(row) for column in columns] for row in range(fetched.value)]
    print(json.dumps({"said": said, "rows": rows}))


main(*sys.argv[1:])
