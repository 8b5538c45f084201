"""Entries of odbc.ini and pg_service.conf: what is written is read, and nothing else changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_fdw.command.ini_files import names, read_entry, with_entry

NEW = ["[new]", "Driver = Some", "Port = 5432"]

line = st.sampled_from(
    [
        "",
        "; a comment",
        "# another",
        "Key = value",
        "Other=[x]",
        " indented = 1",
        "no sign",
        "\x0cx",
    ]
)
entries = st.lists(
    st.tuples(st.sampled_from(["one", "two", "NEW", "new", "ne w"]), st.lists(line, max_size=4)),
    max_size=4,
)
end = st.sampled_from(["\n", "\r\n"])


def text_of(preamble, found, ending, *, ended):
    lines = [*preamble, *(part for name, body in found for part in (f"[{name}]", *body))]
    text = ending.join(lines)
    return text + ending if ended and text else text


def others(text, exact):
    """The lines outside of the first entry with the name, but for empty ones at the end."""
    kept, inside, seen = [], False, False
    for part in text.replace("\r\n", "\n").split("\n"):
        if part.startswith("["):
            name = part[1:-1]
            mine = name == "new" if exact else name.lower() == "new"
            inside = mine and not seen
            seen = seen or mine
        if not inside or part.startswith((";", "#")):
            # libpq knows no comment that begins with a semicolon.
            kept.append(part.removeprefix("# ") if exact and inside else part)
    return [part for part in kept if part.strip()]


@given(st.lists(line, max_size=3), entries, end, st.booleans(), st.booleans())
def test_other_entries_and_comments_stay(preamble, found, ending, ended, exact):
    before = text_of(preamble, found, ending, ended=ended)
    after = with_entry(before, "new", NEW, exact=exact)
    assert others(after, exact) == others(before, exact)
    written = ["[new]", "Driver = Some", "Port = 5432"]
    lines = after.replace("\r\n", "\n").split("\n")
    at = lines.index("[new]")
    assert lines[at : at + 3] == written
    if not exact:
        assert read_entry(after, "NEW") == {"driver": "Some", "port": "5432"}
    # Writing it once more changes nothing.
    assert with_entry(after, "new", NEW, exact=exact) == after


def test_settings_are_read_as_unixodbc_reads_them():
    text = "[ A b ]\n; x = 1\nKey = a = b ; c \nkey = second\n indented = no\n[c]\nkey = other\n"
    assert names(text) == ["A b", "c"]
    assert read_entry(text, "a B") == {"key": "a = b ; c"}
    assert read_entry(text, "d") is None
    assert read_entry("", "d") is None


@pytest.mark.parametrize("name", ["new", "NEW"])
def test_an_entry_is_replaced_where_it_stands(name):
    text = "# first\n[one]\nk = 1\n\n[NEW]\nold = 1\n# mine\n\n# of two\n[two]\nk = 2\n"
    after = with_entry(text, name, [f"[{name}]", "k = 3"])
    assert after == (
        f"# first\n[one]\nk = 1\n\n[{name}]\nk = 3\n# mine\n\n# of two\n[two]\nk = 2\n"
    )


def test_capitals_make_services_different():
    assert with_entry("[A]\nhost=x\n", "a", ["[a]"], exact=True) == "[A]\nhost=x\n\n[a]\n"


def read_by_libpq(text, name):
    """The lines of a service as parseServiceFile of libpq finds them."""
    found = None
    for each in text.split("\n"):
        line = each.strip(" \t\v\f\r")
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if found is not None:
                break
            found = [] if line.startswith(f"[{name}]") else None
        elif found is not None:
            found.append(line)
    return found


blanks = st.sampled_from(["", " ", "\t", " \t "])
services = st.lists(
    st.tuples(
        blanks,
        st.sampled_from(["[one]", "[two] behind", "[new]", " [new]x", "[new", "[ new ]", "[]"]),
        st.lists(st.tuples(blanks, st.sampled_from(["host=a", "# c", "; c", ""])), max_size=3),
    ),
    max_size=5,
)


@given(services, end)
def test_libpq_finds_all_other_services_and_the_new_one(found, ending):
    lines = [
        line
        for before, header, body in found
        for line in (before + header, *(blank + part for blank, part in body))
    ]
    text = ending.join(lines)
    after = with_entry(text, "new", ["[new]", "port=1"], exact=True)
    assert read_by_libpq(after, "new") == ["port=1"]
    assert read_entry(after, "new", exact=True) == {"port": "1"}
    for name in ("one", "two", " new ", ""):
        assert read_by_libpq(after, name) == read_by_libpq(text, name)
    assert with_entry(after, "new", ["[new]", "port=1"], exact=True) == after


def test_what_unixodbc_passes_over_is_not_deleted():
    text = "[new]\nk = old\n\n  [other]\n  k = precious\n\n[last]\nk = 2\n"
    after = with_entry(text, "new", ["[new]", "k = 1"])
    assert after == "[new]\nk = 1\n  [other]\n  k = precious\n\n[last]\nk = 2\n"
    assert read_entry(after, "new") == {"k": "1"}
    assert names(after) == ["new", "last"]
