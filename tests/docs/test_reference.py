"""Every table, column, option and command is documented, and nothing that is gone."""

import re
import sys
from itertools import chain

import click
import pytest

from bitbucket_fdw.command import main
from bitbucket_fdw.options import OPTIONS
from bitbucket_fdw.pushdown import Request, plan
from bitbucket_fdw.reference import pages
from bitbucket_fdw.tables import TABLES
from tests.docs.pages import DOCS, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along there

REWRITE = f"run: {sys.executable} -m bitbucket_fdw.reference docs/"


def test_the_generated_pages_are_up_to_date():
    changed = pages.differences(DOCS)
    assert not changed, f"{sorted(map(str, changed))} out of date; {REWRITE}"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_has_a_page_with_every_column(table):
    # Read back from the page itself, so that a generator that loses something is noticed.
    text = (DOCS / "tables" / f"{table.name}.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \**`(\w+)`\** \| (\w+) \|.*\| (.*) \|$", text, re.MULTILINE)
    shown = {name: (kind, described) for name, kind, described in rows}
    assert set(shown) == {column.name for column in table.columns}
    for column in table.columns:
        kind, described = shown[column.name]
        assert kind == column.type
        assert described.startswith(column.description)
    for scope in (*table.scopes.classic, *table.scopes.granular):
        assert f"`{scope}`" in text
    assert table.collection.path in text
    assert f"`{table.flat_name()}`" in text


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_has_a_description_and_examples(table):
    assert len(table.examples) >= 2
    assert len(table.description) > 10
    for column in table.columns:
        assert column.description, column.name


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_page_says_what_a_table_below_each_row_of_another_costs(table):
    text = (DOCS / "tables" / f"{table.name}.md").read_text(encoding="utf-8")
    first = plan(Request(table, {"workspace": "w", "repository": "r"})).first_requests
    each = {1: "one request", 2: "two requests"}[first]
    price = re.findall(rf"^\| Price \| \*\*{each} per ([a-z ]+)\*\* ", text, re.MULTILINE)
    said = re.findall(r"takes (\w+ requests?) per", table.description)
    assert set(said) <= {each}
    told = {column.param for column in table.columns if column.required}
    if set(table.parameters()) - told <= {"workspace", "repository"}:
        assert price == []
    else:
        [row] = price
        plural = f"{row.replace(' ', '_')}s".replace("ys", "ies")
        assert plural == table.parent.table.name


def test_every_table_is_in_the_overview():
    text = (DOCS / "tables" / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\)", text, re.MULTILINE)
    assert linked == [(table.name, table.name) for table in TABLES]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_documented(option):
    text = (DOCS / "options.md").read_text(encoding="utf-8")
    [row] = set(re.findall(rf"^\| `{option.name}` \|.*$", text, re.MULTILINE))
    assert option.help in row
    if option.default is not None:
        assert f"`{option.default}`" in row
    assert ("**Secret.**" in row) == option.secret


def commands(command, path=("bitbucket-fdw",)):
    """Every command below one, as (words, command)."""
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(path, command, id=" ".join(path)) for path, command in commands(main.main)],
)
def test_every_command_and_its_options_are_documented(path, command):
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert " ".join(path) in text
    for parameter in command.params:
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            assert any(f"`{name}" in text for name in parameter.opts), parameter.opts


def test_every_option_of_the_emulator_is_documented():
    from bitbucket_fdw.emulator.__main__ import parser

    text = (ROOT / "bitbucket_fdw" / "emulator" / "README.md").read_text(encoding="utf-8")
    for action in parser()._actions:
        for option in action.option_strings:
            if option.startswith("--") and option != "--help":
                assert f"| `{option}` |" in text, option


def test_every_function_of_the_extension_is_documented():
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    parts = (ROOT / "sql" / "script").glob("*.sql")
    script = "\n".join(part.read_text(encoding="utf-8") for part in parts)
    made = set(
        re.findall(
            r"^CREATE (?:FUNCTION|PROCEDURE|VIEW|FOREIGN TABLE) (bitbucket\.[a-z]\w*)",
            script,
            re.MULTILINE,
        )
    )
    assert len(made) > 5
    assert sorted(name for name in made if name not in text) == []


def test_the_scripts_commands_and_options_are_documented():
    from devkit import demo, package, suite

    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    for command in demo.COMMANDS:
        assert command == "start" or f"script/demo {command}" in text
    for parser in (demo._parser(), suite._parser(), package._parser()):
        for action in parser._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or f"`{option}" in text, option
    for kind in package.KINDS:
        assert f"| `{kind}` |" in text, kind
    for layer in suite.LAYERS:
        assert f"| `{layer.name}` |" in text, layer.name


def test_every_variable_that_is_read_is_documented():
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    sources = (*(ROOT / "script").rglob("*.py"), *(ROOT / "bitbucket_fdw").rglob("*.py"))
    read = {
        name
        for source in sources
        for name in re.findall(r"\"(BITBUCKET_[A-Z_]*[A-Z])\"", source.read_text())
    }
    assert {"BITBUCKET_FDW_HOME", "BITBUCKET_API_TOKEN"} <= read
    assert sorted(name for name in read if name not in text) == []


def test_every_dependency_is_argued_for():
    text = (DOCS / "decisions.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    # "name", "name>=1,<2" or "name[extra]>=1"
    named = {re.match(r"[A-Za-z0-9_-]+", value)[0] for value in required} - {project["name"]}
    assert {"requests", "filelock", "lark", "types-requests"} <= named
    assert sorted(name for name in named if name not in text) == []
