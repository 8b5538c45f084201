"""Commits that are looked up by the first digits of their hash (the API's Commits group).

Pull requests show hashes of 12 digits. The endpoint for one commit takes those, and answers the
full hash (documented: the beginning of a hash is enough; seen live by users). It also takes the
name of a branch or a tag. An answer whose hash does not begin with what was asked is no row.
"""

from .columns import Column
from .commits import commit_columns
from .endpoints import Collection, Shape
from .repositories import OF_REPOSITORY
from .shared_columns import repository_columns
from .table import Scopes, Table


class CommitsByPrefix(Table):
    name = "commits_by_prefix"
    family = "code"
    description = "The commit whose hash begins with some digits; takes one request per hash"
    scopes = Scopes(("repository",), ("read:repository:bitbucket",))
    collection = Collection(
        "/repositories/{workspace}/{repository}/commit/{hash_prefix}",
        pagelen=None,
        size=False,
        shape=Shape.OBJECT,
    )
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "hash_prefix")
    always = "hash"
    rows = 1
    columns = (
        *repository_columns(),
        Column(
            "hash_prefix",
            "text",
            None,
            "The hash or its first digits, 7 to 40, as the query has them",
            param="hash_prefix",
            pattern="[0-9a-f]{7,40}",
            form="Give 7 to 40 digits, with letters in lower case.",
            sample="0" * 12,
            begins="hash",
            required=True,
        ),
        *commit_columns(),
    )
    examples = (
        "SELECT p.id, p.title, c.hash, c.date FROM pull_requests p, "
        "LATERAL (SELECT hash, date FROM commits_by_prefix "
        "WHERE hash_prefix = p.merge_commit_hash OFFSET 0) c "
        "WHERE p.state = 'MERGED' AND p.id < 20",
        "SELECT hash, message FROM commits_by_prefix WHERE hash_prefix = "
        "(SELECT left(hash, 12) FROM default_branch_commits LIMIT 1)",
    )
