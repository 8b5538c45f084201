"""Writes the reference pages from the declarations: ``python -m bitbucket_fdw.reference docs/``.

``docs/tables/*.md``, ``docs/coverage.md`` and ``docs/dbt/sources.yml`` are written whole. In
``docs/options.md`` only the part between two marks is written. What a page says about conditions
comes from the catalog, which uses the planner's own rules, so that a page cannot claim more than a
query does. ``--check`` writes nothing and fails if a page is out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from .. import options
from ..options import OPTIONS, Option
from ..pushdown.planner import MAX_ITEMS
from ..tables import TABLES
from ..tables.columns import Column
from ..tables.endpoints import SLUGS, Paging
from ..tables.table import Scopes, Table
from ..tables.writing import Transition, Write
from ..writing.requests import verbs
from . import coverage, dbt
from .catalog import operators

BEGIN = "<!-- begin: written by python -m bitbucket_fdw.reference -->"
END = "<!-- end -->"
NOTICE = (
    "<!-- Written by python -m bitbucket_fdw.reference from bitbucket_fdw/tables: edit there. -->"
)

_CLAUSE = re.compile(r"(?<!LEFT) (?=(?:FROM|(?:LEFT )?JOIN|WHERE|GROUP BY|ORDER BY|LIMIT)\b)")

LEVELS = (options.SERVER, options.MAPPING, options.TABLE, options.COLUMN, options.IMPORT)


def pages() -> dict[str, str]:
    """Every page of ``docs/tables``: file name to text."""
    written = {f"{table.name}.md": table_page(table) for table in TABLES}
    return {"README.md": index_page(), **written}


def index_page() -> str:
    """The overview of all tables, with what each of them can do."""
    lines = [
        "# Tables",
        "",
        NOTICE,
        "",
        "There is a page for each table. **Filters** are columns whose conditions are sent to",
        "Bitbucket. By columns under **order** Bitbucket can sort. A condition on a **key** reads",
        "one item. PostgreSQL checks all other conditions on the rows that arrive:",
        "[pushdown](../pushdown.md) has the rules. Imports can be kept to some",
        "[families](../schemas.md#only-some-tables). `SELECT * FROM bitbucket.tables` has the",
        "same as rows.",
        "",
        "| table | | family | filters | order | key | writing |",
        "|---|---|---|---|---|---|---|",
    ]
    for table in TABLES:
        filters = [c.name for c in table.columns if _filters(table, c)]
        sorts = [c.name for c in table.columns if c.sort]
        lines.append(
            _row(
                f"[{table.name}]({table.name}.md){' †' if table.removed else ''}",
                table.description,
                f"`{table.family}`",
                _codes(filters),
                _codes(sorts),
                _codes(dict.fromkeys(item.key for item in table.items)),
                _codes(verbs(table)),
            )
        )
    removed = dict.fromkeys(table.removed for table in TABLES if table.removed)
    lines += ["", *(f"† {text}" for text in removed)]
    return _text(lines)


def _filters(table: type[Table], column: Column) -> bool:
    """Whether the listing can be narrowed by the column other than through its path."""
    return bool(column.query or (table.collection.q and column.filter))


def table_page(table: type[Table]) -> str:
    """One table: endpoint, scopes, examples, columns, and which conditions are sent."""
    lines = [
        f"# {table.name}",
        "",
        NOTICE,
        "",
        f"{table.description}. [All tables](README.md).",
        "",
    ]
    if table.removed:
        lines += [f"> **{table.removed}**", *map("> ".__add__, _removed(table)), ""]
    lines += ["| | |", "|---|---|", *(_row(name, value) for name, value in _facts(table))]
    lines += ["", "## Examples", "", _where_examples_run(table), ""]
    for example in table.examples:
        lines += ["```sql", _broken(example) + ";", "```", ""]
    keyed = "Columns in bold together identify a row." if table.primary_key else _NO_KEY
    lines += ["## Columns", "", keyed, ""]
    lines += ["| column | type | sent to Bitbucket | |", "|---|---|---|---|"]
    lines += [_column_row(table, column) for column in table.columns]
    lines += ["", "## What a query sends", "", *(f"- {text}" for text in _travel(table)), ""]
    lines += ["## Writing", "", *_writing(table)]
    return _text(lines)


_NO_KEY = "Nothing identifies a row: two rows may have all values in common."


def _removed(table: type[Table]) -> tuple[str, str]:
    return (
        "The table works wherever the endpoint still answers. Elsewhere it has no rows, and a",
        f"warning says what happened. Importing with `{table.imported_by} 'never'` leaves it out.",
    )


def _facts(table: type[Table]) -> Iterator[tuple[str, str]]:
    collection = table.collection
    size = f", {collection.pagelen} a page" if collection.pagelen else ", all on one page"
    if collection.shape.is_one:
        size = ", one row for each"
    yield "Endpoint", f"`GET {collection.address}`{size}"
    for path in dict.fromkeys(item.path for item in table.items):
        yield "One item", f"`GET {path}`"
    for narrower in table.narrower:
        yield f"Where `{narrower.key}` is known", f"`GET {narrower.path}`"
    if table.parent and any(parameter not in SLUGS for parameter, _ in table.parent.supplies):
        requests = "two requests" if collection.redirects else "one request"
        yield (
            "Price",
            f"**{requests} per {_one(table.parent.table)}** that a query does not rule out",
        )
    yield "Scopes", _scopes(table.scopes)
    if table.for_whom:
        yield "For whom", f"{table.for_whom.rstrip(',')}"
    if table.level == "repository":
        yield "Stands in", "the schema of each repository, and in the workspace's, for all of them"
    else:
        yield "Stands in", "the schema of the workspace"
    yield "Family", f"`{table.family}` (import option `families`)"
    yield "Flat name", f"`{table.flat_name()}` (import option `names 'flat'`)"


def _scopes(scopes: Scopes) -> str:
    classic = _codes(scopes.classic, " and ")
    granular = _codes(scopes.granular, " and ")
    kinds = "OAuth, access tokens" if scopes.access_tokens else "OAuth"
    refused = "" if scopes.access_tokens else "; access tokens are refused"
    return f"{classic} ({kinds}), or {granular} (API tokens){refused}"


def _where_examples_run(table: type[Table]) -> str:
    schema = "acme__website" if table.level == "repository" else "acme"
    return f"As in the demo, with `SET search_path = {schema}`:"


def _column_row(table: type[Table], column: Column) -> str:
    name = f"`{column.name}`"
    if column.name in table.primary_key:
        name = f"**{name}**"
    description = column.description
    if not column.listed:
        description += "; takes one more request per row"
    if column.required:
        description += "; **a condition is required**"
    return _row(name, column.type, _sent(table, column), description)


def _sent(table: type[Table], column: Column) -> str:
    """The operators whose conditions reach Bitbucket, and in which part of the request."""
    ways = []
    if column.param in table.parameters():
        ways.append("path")
    if any(item.key == column.name for item in table.items):
        ways.append("one item")
    if any(narrower.key == column.name for narrower in table.narrower):
        ways.append("a listing of its own")
    if table.collection.q and column.filter:
        ways.append("`q`")
    if column.query:
        ways.append(f"`{column.query}`")
    sent = _codes(operators(table, column), " ")
    parts = [f"{sent} ({', '.join(ways)})"] if sent else []
    if column.sort:
        parts.append("`ORDER BY`")
    return ", ".join(parts)


def _parameters(table: type[Table]) -> Iterator[str]:
    """What becomes of conditions on columns that have a query parameter of their own."""
    chosen = [column.name for column in table.columns if column.query]
    if chosen:
        yield (
            f"Equality on {_codes(chosen)} goes as a parameter. A list of up to {MAX_ITEMS} values "
            "is a request for each, unless the whole listing is likely to have fewer pages."
        )


def _travel(table: type[Table]) -> Iterator[str]:
    """Sentences that say which requests a query of the table takes."""
    required = [column.name for column in table.columns if column.required]
    if required:
        yield (
            f"A query has to say which {_codes(required, ' and ')} it wants, by equality, IN or a "
            "join. Without that it is refused; `EXPLAIN` works."
        )
    if table.parent:
        yield _fan_out(table)
    if table.items:
        keys = " or ".join(f"`{key}`" for key in dict.fromkeys(item.key for item in table.items))
        yield (
            f"A condition on {keys} reads the one item. A list of up to {MAX_ITEMS} keys is read "
            "item by item where `q` cannot hold it."
        )
    for narrower in table.narrower:
        yield (
            f"A condition on `{narrower.key}`, or a list of up to {MAX_ITEMS} values, reads a "
            "listing for each value instead of the one of all."
        )
    collection = table.collection
    if not collection.q:
        yield "The endpoint takes no `q`. Other conditions stay with PostgreSQL."
    yield from _parameters(table)
    if any(column.filter and column.filter.values for column in table.columns):
        closed = [c.name for c in table.columns if c.filter and c.filter.values]
        yield f"Equality on {_codes(closed)} is exact at Bitbucket, since all values are known."
    if collection.without_q:
        yield (
            "By default the listing hides items. Without other conditions, all are asked for by "
            f"`{collection.without_q[0][0]}`."
        )
    if table.nothing:
        yield "`count(*)` reads the listing, since an item may stand for no row."
    elif collection.size and not collection.explode:
        yield (
            "`count(*)` takes one small request per listing, with no condition or with equality "
            "conditions that Bitbucket applies exactly."
        )
    else:
        yield "The listing does not tell its size: `count(*)` reads it to the end."
    if collection.paging is Paging.OWN_NUMBERS:
        yield "Links to further pages are not relied on: every page is asked for by its number."
    if any(not column.listed for column in table.columns):
        yield (
            "Columns that take one more request per row are only read where a query names them: "
            "`SELECT *` does."
        )


def _writing(table: type[Table]) -> Iterator[str]:
    """What can be changed: one line per SQL command and request, then the restrictions."""
    writes = table.writes
    if not verbs(table):
        yield "The table is read-only."
        return
    yield "Columns in bold are required. [Writing](../writing.md) has the rules and transactions."
    yield ""
    yield "| command | request | columns |"
    yield "|---|---|---|"
    for verb, write in (("INSERT", writes.insert), ("UPDATE", writes.update)):
        if write is not None:
            yield _row(f"`{verb}`", _request(write), _written_columns(write))
    # If the table has no request that inserts or updates a row, its rows are nothing but states.
    verb = "UPDATE" if writes.update or writes.insert else "INSERT or UPDATE"
    for transition in writes.transitions:
        command = f"`{verb}` to {_state(transition)}"
        yield _row(command, _request(transition.write), _written_columns(transition.write))
    if writes.delete is not None:
        yield _row("`DELETE`", _request(writes.delete), "")
    for transition in writes.withdrawals:
        command = f"`DELETE` of {_state(transition)}"
        yield _row(command, _request(transition.write), "")
    yield ""
    yield from _limits_of_writing(table)


def _limits_of_writing(table: type[Table]) -> Iterator[str]:
    writes = table.writes
    for verb, reason in writes.refusals:
        if verb not in verbs(table):
            yield f"- `{verb}` is refused. {reason}"
    if writes.only:
        yield f"- Only rows whose `{writes.only[0]}` is {writes.only[1]} can be changed."
    if writes.own:
        yield f"- Only rows of the credential's own account (`{writes.own}`) can be written."
    if writes.unique:
        rows = "No two rows"
        if writes.unique.where:
            rows += f" whose `{writes.unique.where[0]}` is {writes.unique.where[1]}"
        same = (*writes.unique.columns, *filter(None, [writes.unique.origin]))
        yield f"- {rows} may have the same {_listed(same)}: Bitbucket would overwrite the first."


def _state(transition: Transition) -> str:
    value = transition.value
    shown = str(value).lower() if isinstance(value, bool) else f"'{value}'"
    return f"`{transition.column} = {shown}`"


def _request(write: Write) -> str:
    return f"`{write.method} {write.path}`"


def _written_columns(write: Write) -> str:
    names = (f"**`{f.column}`**" if f.required else f"`{f.column}`" for f in write.fields)
    return ", ".join(names)


def _fan_out(table: type[Table]) -> str:
    """What a query costs if its conditions do not give a value for every part of the path."""
    assert table.parent
    parent = table.parent.table
    supplied = [
        column.name
        for parameter, _ in table.parent.supplies
        if (column := table.column_of(parameter)) is not None
    ]
    where = f" whose `{table.parent.where}` is true" if table.parent.where else ""
    where += "".join(
        f" (under `{count.column} = '{count.value}'` those whose `{count.counted_in}` is above 0)"
        for count in table.parent.counts
    )
    return (
        f"Without equality on {_listed(supplied)} (or a table bound to them), the rows of "
        f"[{parent.name}]({parent.name}.md){where} are read first, and one listing for each, "
        "several at a time."
    )


def _one(table: type[Table]) -> str:
    """What a row of a table is, in words: the table's name in the singular."""
    *before, last = table.name.split("_")
    if last.endswith("ies"):
        return " ".join((*before, f"{last.removesuffix('ies')}y"))
    return " ".join((*before, last.removesuffix("s")))


def options_part() -> str:
    """The tables of options, one per level, for ``docs/options.md``."""
    lines: list[str] = []
    for level in LEVELS:
        lines += [f"## {level[0].upper()}{level[1:]}", ""]
        lines += ["| option | value | default | |", "|---|---|---|---|"]
        lines += [_option_row(option) for option in OPTIONS if level in option.levels]
        lines.append("")
    return _text(lines)


def _option_row(option: Option) -> str:
    described = f"{option.help}. **Secret.**" if option.secret else f"{option.help}."
    default = f"`{option.default}`" if option.default is not None else ""
    return _row(f"`{option.name}`", accepted(option), default, described)


def accepted(option: Option) -> str:
    """What values an option takes, in its own validator's words."""
    try:
        option.parse("")
    except ValueError as error:
        rule = str(error).removeprefix("must be ").removeprefix("must ")
        return "text" if rule == "not be empty" else rule
    return "text"


def with_part(page: str, part: str) -> str:
    """The page with the text between its marks replaced; :class:`ValueError` without marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{part}\n{END}{after}"


def written(directory: Path) -> dict[Path, str]:
    """Every generated file of the documentation, with the text it should have."""
    result = {directory / "tables" / name: text for name, text in pages().items()}
    result[directory / "dbt" / "sources.yml"] = dbt.sources()
    result[directory / "coverage.md"] = coverage.page(NOTICE)
    page = directory / "options.md"
    result[page] = with_part(page.read_text(encoding="utf-8"), options_part())
    return result


def differences(directory: Path) -> dict[Path, str | None]:
    """The files that are out of date, with the text they should have; ``None`` to remove one."""
    wanted = written(directory)
    changed: dict[Path, str | None] = {
        path: text
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    left_over = (path for path in (directory / "tables").glob("*.md") if path not in wanted)
    return {**changed, **dict.fromkeys(left_over)}


def main(arguments: list[str]) -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(
        prog="python -m bitbucket_fdw.reference", description="Write the reference pages."
    )
    parser.add_argument("directory", type=Path, help="the documentation's directory")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if out of date")
    chosen = parser.parse_args(arguments)
    changed = differences(chosen.directory)
    if chosen.check:
        for path in sorted(changed):
            print(f"out of date: {path}", file=sys.stderr)
        return 1 if changed else 0
    for path, text in changed.items():
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print(f"{len(changed)} files changed")
    return 0


def _codes(names: Iterable[str], separator: str = ", ") -> str:
    return separator.join(f"`{name}`" for name in names)


def _listed(names: Iterable[str]) -> str:
    *before, last = (f"`{name}`" for name in names)
    return f"{', '.join(before)} and {last}" if before else last


def _broken(statement: str) -> str:
    """A long statement with one line per clause; clauses in parentheses stay on their line.

    A statement that has lines of its own keeps them.
    """
    if len(statement) <= 80 or "\n" in statement:
        return statement
    first, *clauses = _CLAUSE.split(statement)
    result = first
    for clause in clauses:
        outside = result.count("(") == result.count(")")
        result += ("\n" if outside else " ") + clause
    return result


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"
