"""Build statuses of commits (the API's Commit statuses group). ``q`` and ``sort`` are documented.

Posting a status with a key that the commit already has replaces it.
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
    Unique,
    Write,
    Writes,
    repository_columns,
)
from .commits import HASH, Commits

_STATUSES = "/repositories/{workspace}/{repository}/commit/{commit_hash}/statuses"
_STATUS = f"{_STATUSES}/build/{{key}}"
_STATES = ("SUCCESSFUL", "FAILED", "INPROGRESS", "STOPPED")
_FIELDS = (
    Field("name"),
    Field("description"),
    Field("refname"),
)


class CommitStatuses(Table):
    name = "commit_statuses"
    description = "Build statuses of commits; without a commit_hash every commit is asked"
    scopes = Scopes(("repository",), ("read:repository:bitbucket",))
    collection = Collection(_STATUSES, q=True)
    items = (Item(_STATUS, key="key", parameter="key"),)
    parent = Parent(
        Commits,
        (("workspace", "workspace"), ("repository", "repository"), ("commit_hash", "hash")),
    )
    primary_key = ("workspace", "repository", "commit_hash", "key")
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
        Column("key", "text", "key", "Key, unique for the commit", filter=Filter("key")),
        Column(
            "state",
            "text",
            "state",
            "One of: " + ", ".join(_STATES),
            filter=Filter("state", values=_STATES),
        ),
        Column("url", "text", "url", "Address of the build"),
        Column("name", "text", "name", "Display name", filter=Filter("name")),
        Column("description", "text", "description", "What it says"),
        Column("refname", "text", "refname", "Branch or tag it was built for"),
        Column(
            "created_on",
            "timestamptz",
            "created_on",
            "When it was first reported",
            filter=Filter("created_on"),
            sort="created_on",
        ),
        Column(
            "updated_on",
            "timestamptz",
            "updated_on",
            "When it last changed",
            filter=Filter("updated_on"),
        ),
    )
    writes = Writes(
        insert=Write(
            "POST",
            f"{_STATUSES}/build",
            (
                Field("key", required=True),
                Field("state", values=_STATES, required=True),
                Field("url", required=True),
                *_FIELDS,
            ),
        ),
        update=Write("PUT", _STATUS, (Field("state", values=_STATES), Field("url"), *_FIELDS)),
        refusals=(("DELETE", "Bitbucket deletes no build statuses: UPDATE their state instead."),),
        unique=Unique(("commit_hash", "key")),
    )
    examples = (
        "SELECT c.date, s.name, s.state FROM (SELECT hash, date FROM default_branch_commits "
        "LIMIT 20) c JOIN commit_statuses s ON s.commit_hash = c.hash",
    )
