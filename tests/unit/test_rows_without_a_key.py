"""Tables whose rows have nothing that identifies them: what a change to one comes to."""

import pytest

from bitbucket_fdw.errors import ReadOnly, RowUnknown
from bitbucket_fdw.tables import TABLES
from tests.support.fake_api import FakeApi
from tests.support.writing import Backend


@pytest.mark.parametrize("table", [t.name for t in TABLES if not t.primary_key])
def test_a_change_is_refused_by_what_the_table_takes(table):
    api = FakeApi()
    foreign = Backend(api).table(table)
    # Hosts ask for the column before every change, an INSERT among them.
    with pytest.raises(RowUnknown, match=f"nothing identifies a row of {table}"):
        _ = foreign.modifier.rowid
    with foreign.statement() as modifier:
        with pytest.raises(ReadOnly, match=f"{table} takes no INSERT"):
            modifier.insert({})
        with pytest.raises(ReadOnly, match=f"{table} takes no UPDATE"):
            modifier.update("x", {})
        with pytest.raises(ReadOnly, match=f"{table} takes no DELETE"):
            modifier.delete("x")
    assert api.calls == []
