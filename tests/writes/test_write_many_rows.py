"""A statement that has read more rows than are kept whole."""

import threading
import time

import pytest
from devkit.tree import BUNDLED

from bitbucket_fdw.writing.statement_rows import WHOLE
from tests.support.credentials import READ_WRITE, mapping_options
from tests.support.database import drop_database
from tests.writes.writing import R, Session, documents

PULLS = f"{R}/pullrequests"
SCHEMAS = {"website": {}, "undone": {"on_rollback": "undo"}, "queued": {"write_mode": "commit"}}


@pytest.fixture(scope="module")
def big(emulator_factory):
    """An emulator with 3,000 pull requests in one repository."""
    return emulator_factory(scale="small")


@pytest.fixture(params=SCHEMAS)
def many(request, big, db_factory, host):
    """A session on it that sorts rows before it changes them, in each way of writing."""
    big.reset()
    db = db_factory(emulator=big)
    db.create_server("many", credentials=mapping_options(big, READ_WRITE), **SCHEMAS[request.param])
    db.execute(
        'CREATE SCHEMA many; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER many INTO many'
    )
    db.execute("CREATE TABLE public.numbers AS SELECT generate_series(1, 4000) AS id; ANALYZE")
    session = Session(db, "many", db.connect(), host == BUNDLED)
    session.run("SET enable_hashjoin = off; SET enable_nestloop = off")
    yield session
    drop_database(db)


def test_what_others_change_meanwhile_stays(many, big):
    pulls = documents(big, "pull_requests")
    assert len(pulls) > WHOLE
    opened = sorted(pull["id"] for pull in pulls if pull["state"] == "OPEN")
    others = opened[1:]
    theirs = many.db.connect()

    def edit():
        for number in others:
            theirs.execute(
                f"UPDATE many.pull_requests SET description = 'theirs' WHERE id = {number}".encode()
            )

    # The first row of the statement waits until the others have been changed.
    queued = many.value(
        "SELECT 'write_mode=commit' = ANY(srvoptions) FROM pg_foreign_server WHERE srvname = 'many'"
    )
    if queued:
        many.run("BEGIN")
    else:
        big.fault("*/pullrequests/*", method="PUT", kind="slow", delay_ms=4_000, count=1)
        first = threading.Thread(target=_after_first_put, args=(big, edit))
        first.start()
    many.run(
        "UPDATE pull_requests p SET title = CASE WHEN p.state = 'OPEN' THEN p.title || '!' "
        "ELSE p.title END FROM public.numbers n WHERE n.id = p.id"
    )
    if queued:
        edit()
        many.run("COMMIT")
    else:
        first.join()
    after = {pull["id"]: pull for pull in documents(big, "pull_requests")}
    assert {after[number]["description"] for number in others} == {"theirs"}
    before = {pull["id"]: pull["title"] for pull in pulls}
    assert all(after[number]["title"] == before[number] + "!" for number in opened)


def _after_first_put(emulator, edit):
    while not any(request.method == "PUT" for request in emulator.requests()):
        time.sleep(0.05)
    edit()
