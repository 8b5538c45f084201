"""Messages for databases that are not in UTF8."""

import pytest

from bitbucket_fdw.postgres.encoding import sayable, to_ascii


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("ALTER SERVER … OPTIONS (ADD x '…')", "ALTER SERVER ... OPTIONS (ADD x '...')"),
        ("title = 'ü'", "title = '\\xfc'"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_ascii_keeps_what_can_be_kept(text, plain):
    assert to_ascii(text) == plain


def test_outside_of_a_backend_all_can_be_said():
    assert sayable("…") == "…"
    assert sayable(None) is None
