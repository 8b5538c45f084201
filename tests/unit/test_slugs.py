"""What somebody may give in the place of a slug, and what is said of it."""

import pytest

from bitbucket_fdw import options
from bitbucket_fdw.errors import OptionError
from bitbucket_fdw.foreign_tables.binding import check_table
from bitbucket_fdw.foreign_tables.importing import Place, SchemaNameError, parse_schema
from bitbucket_fdw.tables import TABLES


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://bitbucket.org/acme", '"acme"'),
        ("https://bitbucket.org/acme/", '"acme"'),
        ("bitbucket.org/acme/workspace/projects/", '"acme"'),
        ("https://bitbucket.org/acme/workspace/overview", '"acme"'),
        ("HTTPS://Bitbucket.org/acme/website/src/main/", '"acme" and "website"'),
        ("https://bitbucket.org/acme/website?at=main#x", '"acme" and "website"'),
        ("https://api.bitbucket.org/acme", '"acme"'),
        ("Acme Inc.", '"acme-inc"'),
        (" acme ", '"acme"'),
        ("Ärger & Söhne", '"rger-s-hne"'),
    ],
)
@pytest.mark.parametrize("option", ["workspace", "repository"])
def test_an_address_or_a_name_is_refused_with_the_slug(option, given, meant):
    with pytest.raises(OptionError) as raised:
        options.validate({"table": "repositories", option: given}, "table")
    assert meant in raised.value.message


@pytest.mark.parametrize("given", ["acme", "Acme", "acme_labs", "{5b5c2b4c-1}", "mobile.app", "é"])
def test_what_may_be_a_slug_is_taken(given):
    options.validate({"workspace": given}, "table")
    assert parse_schema(given) == Place(given)


@pytest.mark.parametrize("given", ["", " ", "..", "a/b", "/", "https://elsewhere.example/acme"])
def test_what_has_no_likely_slug_is_refused_without_one(given):
    with pytest.raises(OptionError) as raised:
        options.validate({"workspace": given}, "table")
    assert "perhaps" not in raised.value.message
    assert "address is" not in raised.value.message


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://bitbucket.org/acme", 'SCHEMA "acme"'),
        ("https://bitbucket.org/acme/website", 'SCHEMA "acme/website"'),
        ("Acme Inc", '"acme-inc"'),
        ("acme/Web Site", '"web-site"'),
    ],
)
def test_a_remote_schema_that_is_an_address_or_a_name(given, meant):
    with pytest.raises(SchemaNameError) as raised:
        parse_schema(given)
    assert meant in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_that_is_called_nearly_right_is_named(table):
    check_table(table.name)
    for wrong in {table.name.replace("_", ""), table.name.upper(), f"{table.name}x"} - {table.name}:
        with pytest.raises(OptionError) as raised:
            check_table(wrong)
        assert f'"{table.name}"' in (raised.value.hint or "")
