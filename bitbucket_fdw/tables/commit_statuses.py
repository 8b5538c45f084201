"""Build statuses of commits (the API's Commit statuses group). ``q`` and ``sort`` are documented.

Posting a status with a key that the commit already has replaces the status. The documentation says
that a key is "unique to its type and the vendor". So two applications may report the same key, and
nothing in the row says which one did. Seen live by users: a key has at most 40 characters.
"""

from .columns import Column, column
from .commits import OF_COMMIT, commit_column
from .endpoints import Collection, Item, Paging
from .shared_columns import repository_columns
from .table import Scopes, Table
from .writing import Field, Unique, Write, Writes

_STATUSES = "/repositories/{workspace}/{repository}/commit/{commit_hash}/statuses"
_STATUS = f"{_STATUSES}/build/{{key}}"
_STATES = ("SUCCESSFUL", "FAILED", "INPROGRESS", "STOPPED")
_SHARES = (("SUCCESSFUL", 0.8), ("FAILED", 0.16), ("INPROGRESS", 0.02), ("STOPPED", 0.02))
_FIELDS = (
    Field("name"),
    Field("description"),
    Field("refname"),
)


def status_columns(refname: str | None = None) -> tuple[Column, ...]:
    """What every listing of build statuses tells of a status.

    :param refname: the query parameter of the listing that selects by the ref, if it has one.
    """
    return (
        column("key", "text", "Key, unique for the commit, type and vendor", q=True),
        column("uuid", "uuid", "UUID, where the answer has it"),
        column("type", "text", "Kind of status: build"),
        column(
            "state", "text", "One of: " + ", ".join(_STATES), q=True, values=_STATES, shares=_SHARES
        ),
        column("url", "text", "Address of the build"),
        column("name", "text", "Display name", q=True),
        column("description", "text", "What it says"),
        column("refname", "text", "Branch or tag it was built for", query=refname),
        column("created_on", "timestamptz", "When it was first reported", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed", q=True),
    )


class CommitStatuses(Table):
    name = "commit_statuses"
    family = "code"
    description = "Build statuses of commits; without a commit_hash every commit is asked"
    scopes = Scopes(("repository",), ("read:repository:bitbucket",))
    collection = Collection(
        _STATUSES,
        q=True,
        paging=Paging.NUMBERS,
        unique=False,  # two apps may report the same key
    )
    items = (Item(_STATUS, key="key", parameter="key"),)
    parent = OF_COMMIT
    primary_key = ("workspace", "repository", "commit_hash", "key")
    rows = 1
    columns = (
        *repository_columns(),
        commit_column(),
        # Documented: the parameter limits the listing to statuses of that ref.
        *status_columns(refname="refname"),
    )
    writes = Writes(
        insert=Write(
            "POST",
            f"{_STATUSES}/build",
            (
                Field("key", required=True, longest=40),
                Field("state", values=_STATES, required=True),
                Field("url", required=True),
                *_FIELDS,
            ),
        ),
        update=Write(
            "PUT",
            _STATUS,
            (Field("state", values=_STATES), Field("url"), *_FIELDS),
            # The schema of the body, commitstatus, requires both, and no source exempts PUT.
            always=(Field("key"), Field("state")),
        ),
        refusals=(("DELETE", "Bitbucket deletes no build statuses: UPDATE their state instead."),),
        unique=Unique(("commit_hash", "key")),
        told_apart=("created_on",),
    )
    examples = (
        "SELECT c.date, s.name, s.state FROM (SELECT hash, date FROM default_branch_commits "
        "LIMIT 20) c JOIN commit_statuses s ON s.commit_hash = c.hash",
        "SELECT s.state, count(*) FROM (SELECT hash FROM default_branch_commits LIMIT 20) c "
        "CROSS JOIN LATERAL (SELECT state FROM commit_statuses WHERE commit_hash = c.hash "
        "OFFSET 0) s GROUP BY 1",
    )
