"""Branches and tags (the API's Refs group).

``q`` and ``sort`` are documented for both. ``sort=name`` is natural order (``v2`` before ``v10``),
which no PostgreSQL collation promises, so that no sort is declared.
"""

from .base import (
    Collection,
    Column,
    Field,
    Filter,
    Item,
    Parent,
    Scopes,
    Table,
    Write,
    Writes,
    html_link,
    repository_columns,
)
from .repositories import Repositories

_SCOPES = Scopes(("repository",), ("read:repository:bitbucket",))
_PARENT = Parent(Repositories, (("workspace", "workspace"), ("repository", "slug")))


def _writes(collection: str, fields: tuple[Field, ...] = ()) -> Writes:
    """A ref can be made and deleted; moving one takes both."""
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
    )


def _target() -> tuple[Column, ...]:
    """The commit a ref points at."""
    return (
        Column(
            "target_commit_hash",
            "text",
            "target.hash",
            "Hash of the commit it points at",
            filter=Filter("target.hash"),
        ),
        Column(
            "target_commit_date",
            "timestamptz",
            "target.date",
            "When that commit was made",
            filter=Filter("target.date"),
        ),
        Column("target_commit_message", "text", "target.message", "Message of that commit"),
        Column(
            "target_repository_uuid",
            "uuid",
            "target.repository.uuid",
            "UUID of the repository of that commit",
        ),
        Column(
            "target_repository_name",
            "text",
            "target.repository.name",
            "Name of the repository of that commit",
        ),
        Column(
            "target_author_raw", "text", "target.author.raw", "Author of that commit as git has it"
        ),
        Column(
            "target_author_uuid",
            "uuid",
            "target.author.user.uuid",
            "UUID of the author's account, where it is known",
        ),
        Column(
            "target_author_display_name",
            "text",
            "target.author.user.display_name",
            "Display name of the author's account",
        ),
    )


class Branches(Table):
    name = "branches"
    description = "Branches of a repository"
    scopes = _SCOPES
    collection = Collection("/repositories/{workspace}/{repository}/refs/branches", q=True)
    items = (
        Item(
            "/repositories/{workspace}/{repository}/refs/branches/{name}",
            key="name",
            parameter="name",
        ),
    )
    parent = _PARENT
    primary_key = ("workspace", "repository", "name")
    rows = 50
    columns = (
        *repository_columns(),
        Column("name", "text", "name", "Branch name", filter=Filter("name")),
        *_target(),
        Column(
            "default_merge_strategy",
            "text",
            "default_merge_strategy",
            "Merge strategy offered first",
        ),
        Column("merge_strategies", "jsonb", "merge_strategies", "Merge strategies allowed"),
        html_link(),
    )
    writes = _writes("/repositories/{workspace}/{repository}/refs/branches")
    examples = (
        "SELECT name, target_commit_date FROM branches "
        "WHERE target_commit_date < now() - interval '90 days'",
    )


class Tags(Table):
    name = "tags"
    description = "Tags of a repository"
    scopes = _SCOPES
    collection = Collection("/repositories/{workspace}/{repository}/refs/tags", q=True)
    items = (
        Item(
            "/repositories/{workspace}/{repository}/refs/tags/{name}", key="name", parameter="name"
        ),
    )
    parent = _PARENT
    primary_key = ("workspace", "repository", "name")
    rows = 50
    columns = (
        *repository_columns(),
        Column("name", "text", "name", "Tag name", filter=Filter("name")),
        Column("message", "text", "message", "Message of an annotated tag"),
        Column("date", "timestamptz", "date", "When an annotated tag was made"),
        Column("tagger_raw", "text", "tagger.raw", "Who made it, as git has it"),
        Column(
            "tagger_user_uuid",
            "uuid",
            "tagger.user.uuid",
            "UUID of that account, where it is known",
        ),
        *_target(),
        html_link(),
    )
    writes = _writes("/repositories/{workspace}/{repository}/refs/tags", (Field("message"),))
    examples = ("SELECT name, target_commit_hash FROM tags WHERE name LIKE 'v%'",)
