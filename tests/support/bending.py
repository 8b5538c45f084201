"""A server in front of the emulator that bends its answers, as no documentation allows.

``bend`` is given what was asked and the answer's JSON and gives back another answer's JSON; ``ask``
is given what was asked and gives back what is asked instead.
"""

from __future__ import annotations

import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from devkit.cluster import identifier
from devkit.emulator import Control

from bitbucket_fdw.tables.table import Table
from tests.api.scripted import Answer, ScriptedServer
from tests.support.credentials import READ_WRITE, mapping_options
from tests.support.database import Database, drop_database
from tests.support.declared import looked_up_in, required

Bend = Callable[[str, Any], Any]


def straight(target: str, body: Any) -> Any:
    """The answer as it is."""
    return body


class _Stays(urllib.request.HTTPRedirectHandler):
    """Leaves it to the client to follow a redirect."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stays)


class Instead(Exception):
    """Raised by ``ask``: an error is answered in place of all else."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.answer = Answer({"type": "error", "error": {"message": said}}, status=status)


class BendingServer(ScriptedServer):
    """Passes every GET on to an emulator; ``url`` is its own address."""

    def __init__(self, emulator: Control) -> None:
        super().__init__(self._passed_on)
        parts = urlsplit(emulator.base_url)
        self._there = f"{parts.scheme}://{parts.netloc}"
        self._api = emulator.base_url
        self.bend: Bend = straight
        self.ask: Callable[[str], str] = lambda target: target

    def _passed_on(self, target: str) -> Answer:
        try:
            target = self.ask(target)
        except Instead as instead:
            return instead.answer
        # All requests of a test are of one credential.
        given = self.received[-1].headers
        headers = {name: given[name] for name in ("authorization", "accept") if name in given}
        status, body, location = self._answer(self._there + target, headers)
        if location.startswith(self._api):
            # What another address of the API answers is bent as that of the one that was asked.
            status, body, location = self._answer(location, headers)
        if location:
            return Answer(body, status, {"Location": location})
        if status != 200:
            return Answer(body, status=status)
        # Links to further pages lead here as well.
        own = body.decode().replace(self._there, self.url)
        return Answer(self.bend(target, json.loads(own)))

    @staticmethod
    def _answer(address: str, headers: Mapping[Any, str]) -> tuple[int, bytes, str]:
        """Status, body and ``Location`` of the emulator's answer."""
        request = urllib.request.Request(address, headers=dict(headers))
        try:
            with _OPENER.open(request, timeout=10) as response:
                return response.status, response.read(), ""
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers.get("Location", "")


class Bent:
    """The sample workspace behind a server that bends answers."""

    def __init__(self, db: Database, server: BendingServer) -> None:
        self.db = db
        self.server = server
        self._straight: dict[str, dict[str, Any]] = {}

    def rows(
        self, table: type[Table], where: str, without: Collection[str] = ()
    ) -> list[dict[str, Any]]:
        """The rows of a table, as text, in the order of their keys, or as they are listed.

        :param without: columns to leave out.
        """
        keys = ", ".join(f"{identifier(name)}::text" for name in table.primary_key)
        order = f" ORDER BY {keys}" if keys else ""
        names = [column.name for column in table.columns if column.name not in without]
        columns = ", ".join(f"{identifier(name)}::text" for name in names)
        statement = f"SELECT {columns} FROM {table.name} {where}{order}"
        return [dict(zip(names, row, strict=True)) for row in self.db.rows(statement)]

    def one_listing(self, table: type[Table]) -> str:
        """Conditions for one listing of the table that has rows."""
        row = self._some_row(table)
        parameters = table.parameters()
        columns = [table.column_of(p) for p in parameters if p not in ("workspace", "repository")]
        return _where({c.name: row[c.name] for c in columns if c})

    def one_item(self, table: type[Table], key: str) -> str:
        """Conditions for one item of the table by one of its keys."""
        row = self._some_row(table)
        above = self.one_listing(table)
        own = f"{identifier(key)} = '{row[key]}'"
        return f"{above} AND {own}" if above else f"WHERE {own}"

    def _some_row(self, table: type[Table]) -> dict[str, Any]:
        if table.name not in self._straight:
            self.server.bend = straight
            columns = ", ".join(f"{identifier(c.name)}::text" for c in table.columns)
            some = f"SELECT {columns} FROM {table.name} WHERE {self._required(table)} LIMIT 1"
            [row] = self.db.rows(some)
            names = [column.name for column in table.columns]
            self._straight[table.name] = dict(zip(names, row, strict=True))
        return self._straight[table.name]

    def _required(self, table: type[Table]) -> str:
        """A condition with which a table is read that requires one: by what its parent has."""
        terms = ["true"]
        for column in required(table):
            if column.begins:
                some = f"SELECT left({column.begins}, 12) FROM {looked_up_in(table)} LIMIT 20"
            else:
                assert table.parent is not None
                supplier = dict(table.parent.supplies)[str(column.param)]
                some = f"SELECT {supplier}::text FROM {table.parent.table.name} LIMIT 20"
            values = ", ".join(f"'{value}'" for value in self.db.column(some))
            terms.append(f"{identifier(column.name)} IN ({values})")
        return " AND ".join(terms)


def _where(values: dict[str, Any]) -> str:
    tests = [f"{identifier(name)} = '{value}'" for name, value in values.items()]
    return f"WHERE {' AND '.join(tests)}" if tests else ""


@contextlib.contextmanager
def bent_workspace(db_factory: Any, emulator: Control) -> Iterator[Bent]:
    """The sample workspace behind a bending server, in the schemas ``website`` and ``public``."""
    server = BendingServer(emulator)
    database = db_factory(emulator=emulator)
    # Children of commits are read whole, although the sample has too many commits for that.
    options = {"base_url": f"{server.url}/2.0", "retry_limit": "0", "preview_requests": "0"}
    database.create_server("bent", credentials=mapping_options(emulator, READ_WRITE))
    added = ", ".join(
        f"SET {name} '{value}'" if name == "base_url" else f"ADD {name} '{value}'"
        for name, value in options.items()
    )
    database.execute(f"ALTER SERVER bent OPTIONS ({added})")
    database.execute(
        'IMPORT FOREIGN SCHEMA "acme" FROM SERVER bent INTO public; '
        'CREATE SCHEMA website; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bent INTO website'
    )
    # A table that is bound to one workspace reads that one by its key.
    database.execute("ALTER FOREIGN TABLE workspaces OPTIONS (DROP workspace)")
    database.execute("SET search_path = website, public")
    yield Bent(database, server)
    drop_database(database)
    server.close()


def listing_of(table: type[Table]) -> Callable[[str, Any], bool]:
    """Whether an answer is a page of a listing of the table, or its one item where it has one."""
    templates = (table.collection.path, *(narrower.path for narrower in table.narrower))
    forms = [re.sub(r"\{\w+\}", "[^/]+", template.rstrip("/")) for template in templates]
    is_one = table.collection.shape.is_one

    def is_page(target: str, body: Any) -> bool:
        path = urlsplit(target).path.rstrip("/")
        of_table = any(re.fullmatch(f".*{form}", path) for form in forms)
        return of_table and isinstance(body, dict) and (is_one or "values" in body)

    return is_page
