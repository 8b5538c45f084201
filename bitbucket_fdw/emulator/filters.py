"""How a resource declares the fields that its listing filters (``q``) and sorts on.

Pull requests and workspace members: seen live. Issues: the examples of the filtering page, whose
fields the documented schema completes. The rest: the pages say that ``q`` works and "in principle
every element" can be used; what is listed is assumed, and what is not listed gives a 400.

Seen live by users, 2026, is sorting pull requests, comments, repositories, projects and refs by
their times, by ``id`` and by ``name``, and pipelines by ``created_on`` and ``creator.uuid``; more
than that is refused, except ``id`` of comments and tasks and what the issue tracker's page has.
Projects filter although that is not documented.
"""

from __future__ import annotations

from bitbucket_fdw.emulator.bbql import Field, Kind, Schema


def fields(kind: Kind, names: str, sortable: bool = True) -> dict[str, Field]:
    """Fields of one kind, by their paths in the document, separated by spaces."""
    return {name: Field(kind, tuple(name.split(".")), sortable=sortable) for name in names.split()}


def account(prefix: str, sortable: bool = True) -> dict[str, Field]:
    """What an account can be told by."""
    names = " ".join(f"{prefix}.{part}" for part in ("uuid", "nickname", "account_id"))
    return fields("text", names, sortable)


def present(name: str) -> dict[str, Field]:
    """A nested object that can be compared with null (stated by ``assignee = null``)."""
    return {name: Field("object", (name,), sortable=False)}


def only(schema: Schema, names: str) -> Schema:
    """Some fields of a schema."""
    return {name: schema[name] for name in names.split()}


# What is alike on pull requests and on commits.
COMMENTS: Schema = {
    **fields("number", "id parent.id"),
    **fields("datetime", "created_on updated_on"),
    **fields("text", "content.raw"),
    **fields("boolean", "deleted"),
    **account("user"),
}
COMMENT_SORTS = only(COMMENTS, "id created_on updated_on")
STATUSES: Schema = {
    **fields("text", "key state name url refname"),
    **fields("datetime", "created_on updated_on"),
}
STATUS_SORTS = only(STATUSES, "created_on")
