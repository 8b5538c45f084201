"""Comments on commits (the API's Commits group). ``q`` and ``sort`` are documented."""

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
    account,
    html_link,
    repository_columns,
)
from .commits import HASH, Commits

_COMMENTS = "/repositories/{workspace}/{repository}/commit/{commit_hash}/comments"
_COMMENT = f"{_COMMENTS}/{{id}}"


class CommitComments(Table):
    name = "commit_comments"
    description = "Comments on commits; without a commit_hash every commit is asked"
    scopes = Scopes(("repository",), ("read:repository:bitbucket",))
    collection = Collection(_COMMENTS, q=True)
    items = (Item(_COMMENT, key="id", parameter="id"),)
    parent = Parent(
        Commits,
        (("workspace", "workspace"), ("repository", "repository"), ("commit_hash", "hash")),
    )
    primary_key = ("workspace", "repository", "commit_hash", "id")
    rows = 1
    columns = (
        *repository_columns(),
        Column(
            "commit_hash",
            "text",
            None,
            "Full hash of the commit",
            param="commit_hash",
            pattern=HASH,
        ),
        Column("id", "bigint", "id", "Comment id", filter=Filter("id"), sort="id"),
        Column("content_raw", "text", "content.raw", "Text in the author's markup"),
        Column("content_html", "text", "content.html", "Text as HTML"),
        *account("user", "user", "the author"),
        Column("parent_id", "bigint", "parent.id", "Comment it answers"),
        Column("deleted", "boolean", "deleted", "Was deleted; its text is gone"),
        Column("inline_path", "text", "inline.path", "File it stands at"),
        Column("inline_from", "bigint", "inline.from", "Line in the old version"),
        Column("inline_to", "bigint", "inline.to", "Line in the new version"),
        Column(
            "created_on",
            "timestamptz",
            "created_on",
            "When it was written",
            filter=Filter("created_on"),
            sort="created_on",
        ),
        Column("updated_on", "timestamptz", "updated_on", "When it last changed"),
        html_link(),
    )
    writes = Writes(
        insert=Write(
            "POST",
            _COMMENTS,
            (
                Field("content_raw", required=True),
                Field("inline_path"),
                Field("inline_from"),
                Field("inline_to"),
                Field("parent_id"),
            ),
        ),
        update=Write("PUT", _COMMENT, (Field("content_raw"),)),
        delete=Write("DELETE", _COMMENT),
    )
    examples = (
        "SELECT c.hash, m.content_raw FROM (SELECT hash FROM commits LIMIT 50) c "
        "JOIN commit_comments m ON m.commit_hash = c.hash",
    )
