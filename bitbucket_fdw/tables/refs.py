"""Branches and tags (the API's Refs group).

``q`` and ``sort`` are documented for both. But ``sort=name`` sorts numbers within names by their
value (``v2`` before ``v10``), which no collation of PostgreSQL is sure to do. So no sort is
declared.
"""

from .columns import Column, column
from .endpoints import Collection, Item, Paging
from .repositories import OF_REPOSITORY
from .shared_columns import account, html_link, repository_columns
from .table import Scopes, Table
from .writing import Field, Write, Writes

_SCOPES = Scopes(("repository",), ("read:repository:bitbucket",))


def _writes(collection: str, fields: tuple[Field, ...] = (), anew: str = "") -> Writes:
    """INSERT and DELETE of refs. Bitbucket cannot move a ref, which takes both of them."""
    return Writes(
        insert=Write(
            "POST",
            collection,
            (
                Field("name", required=True),
                Field("target_commit_hash", required=True),
                *fields,
            ),
        ),
        delete=Write("DELETE", f"{collection}/{{name}}"),
        refusals=(("UPDATE", "Bitbucket cannot change a ref: delete it and make a new one."),),
        recreate=True,
        anew=anew,
    )


def _target() -> tuple[Column, ...]:
    """The commit a ref points at."""
    return (
        column(
            "target.hash",
            "text",
            "Hash of the commit it points at",
            name="target_commit_hash",
            q=True,
            distinct=500,
        ),
        column(
            "target.date",
            "timestamptz",
            "When that commit was made",
            name="target_commit_date",
            q=True,
        ),
        column("target.message", "text", "Message of that commit", name="target_commit_message"),
        column("target.repository.uuid", "uuid", "UUID of the repository of that commit"),
        column("target.repository.name", "text", "Name of the repository of that commit"),
        column("target.author.raw", "text", "Author of that commit as git has it"),
        *account("target_author", "target.author.user", "the author's account, where it is known"),
    )


class Branches(Table):
    name = "branches"
    family = "code"
    description = "Branches of a repository"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/refs/branches",
        q=True,
        paging=Paging.NUMBERS,
    )
    items = (
        Item(
            "/repositories/{workspace}/{repository}/refs/branches/{name}",
            key="name",
            parameter="name",
        ),
    )
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "name")
    rows = 50
    columns = (
        *repository_columns(),
        column("name", "text", "Branch name", q=True),
        column("type", "text", "branch or named_branch"),
        *_target(),
        column("default_merge_strategy", "text", "Merge strategy offered first"),
        column("merge_strategies", "jsonb", "Merge strategies allowed"),
        column("sync_strategies", "jsonb", "How it can be brought up to date"),
        html_link(),
    )
    writes = _writes("/repositories/{workspace}/{repository}/refs/branches")
    examples = (
        "SELECT name, target_commit_date FROM branches "
        "WHERE target_commit_date < now() - interval '90 days'",
        "SELECT name, target_commit_hash FROM branches WHERE name = 'main'",
    )


class Tags(Table):
    name = "tags"
    family = "code"
    description = "Tags of a repository"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/refs/tags", q=True, paging=Paging.NUMBERS
    )
    items = (
        Item(
            "/repositories/{workspace}/{repository}/refs/tags/{name}", key="name", parameter="name"
        ),
    )
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "name")
    rows = 50
    columns = (
        *repository_columns(),
        column("name", "text", "Tag name", q=True),
        column("type", "text", "Kind of ref: tag"),
        column("message", "text", "Message of an annotated tag"),
        column("date", "timestamptz", "When an annotated tag was made"),
        column("tagger.raw", "text", "Who made it, as git has it"),
        *account("tagger_user", "tagger.user", "that account, where it is known"),
        *_target(),
        html_link(),
    )
    writes = _writes(
        "/repositories/{workspace}/{repository}/refs/tags",
        (Field("message"),),
        # Documented: the endpoint makes annotated tags, and writes a message where none is given.
        anew="an annotated tag of this account's, with today's date",
    )
    examples = (
        "SELECT name, target_commit_hash FROM tags WHERE name LIKE 'v%'",
        "SELECT count(*), min(target_commit_date), max(target_commit_date) FROM tags",
    )
