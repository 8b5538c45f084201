"""Comments on commits (the API's Commits group). ``q`` and ``sort`` are documented."""

from .columns import column
from .commits import OF_COMMIT, commit_column
from .endpoints import Collection, Item
from .shared_columns import (
    COMMENT_FIELDS,
    PARENT_OR_PLACE,
    account,
    html_link,
    inline_columns,
    repository_columns,
)
from .table import Scopes, Table
from .writing import Field, Write, Writes

_COMMENTS = "/repositories/{workspace}/{repository}/commit/{commit_hash}/comments"
_COMMENT = f"{_COMMENTS}/{{id}}"


class CommitComments(Table):
    name = "commit_comments"
    family = "code"
    description = "Comments on commits; without a commit_hash every commit is asked"
    scopes = Scopes(("repository",), ("read:repository:bitbucket",))
    collection = Collection(_COMMENTS, q=True)
    items = (Item(_COMMENT, key="id", parameter="id"),)
    parent = OF_COMMIT
    primary_key = ("workspace", "repository", "commit_hash", "id")
    rows = 0.02  # hardly anybody comments on commits
    columns = (
        *repository_columns(),
        commit_column(),
        column("id", "bigint", "Comment id", q=True, sort=True),
        column("content.raw", "text", "Text in the author's markup"),
        column("content.html", "text", "Text as HTML"),
        column("content.markup", "text", "The author's markup: markdown, creole or plaintext"),
        *account("user", "user", "the author"),
        column("parent.id", "bigint", "Comment it answers"),
        column("deleted", "boolean", "Was deleted; its text is gone"),
        *inline_columns(),
        column("created_on", "timestamptz", "When it was written", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed"),
        html_link(),
    )
    writes = Writes(
        insert=Write(
            "POST",
            _COMMENTS,
            COMMENT_FIELDS,
            apart=PARENT_OR_PLACE,
        ),
        update=Write("PUT", _COMMENT, (Field("content_raw"),)),
        delete=Write("DELETE", _COMMENT),
    )
    examples = (
        "SELECT c.hash, m.content_raw FROM (SELECT hash FROM commits LIMIT 50) c "
        "JOIN commit_comments m ON m.commit_hash = c.hash",
        "SELECT c.date, (SELECT count(*) FROM commit_comments m WHERE m.commit_hash = c.hash) "
        "FROM (SELECT hash, date FROM default_branch_commits LIMIT 5) c",
    )
