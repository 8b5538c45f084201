"""Rules on what may happen to branches (the API's Branch restrictions group).

Documented: the members, the kinds, and the query parameters ``kind`` and ``pattern``. Seen live by
users, 2026: pages have numbers; old rules lack ``branch_match_kind``; a PUT wants all members
again; accounts go by UUID and groups by slug, a group by its name is a 400; an empty list of groups
beside accounts is a 500, so that empty lists are left out; answers have the accounts in another
order; a rule on pushes with an account that cannot write is a 500; kinds that the plan does not
include are a 403. It is not known what a PUT without a list does to that list.
"""

from .columns import column
from .endpoints import Collection, Item, Paging
from .repositories import OF_REPOSITORY
from .shared_columns import repository_columns
from .table import Scopes, Table
from .writing import Field, Write, Writes

_RULES = "/repositories/{workspace}/{repository}/branch-restrictions"
_RULE = f"{_RULES}/{{id}}"

_FIELDS = (
    Field("kind", required=True),
    # Rules from before branching models came are rules for a pattern.
    Field("branch_match_kind", values=("glob", "branching_model"), required=True, absent="glob"),
    Field("pattern", sparse=True),
    Field("branch_type", sparse=True),
    Field("value", sparse=True),
    Field("users", accounts=True, sparse=True),
    Field("groups", groups=True, sparse=True),
)
_CHECKED = tuple(field.column for field in _FIELDS)
_ADVICE = (
    (403, "Kinds of rules that enforce something need the Premium plan."),
    (404, "An account or a group of the rule may not exist in the workspace."),
    (
        500,
        "Bitbucket answers 500 to a rule of kind push whose users or groups cannot write to the "
        "repository: give them write access first.",
    ),
)


class BranchRestrictions(Table):
    name = "branch_restrictions"
    family = "settings"
    description = "Rules on pushing to, deleting and merging into branches of a repository"
    scopes = Scopes(("repository:admin",), ("admin:repository:bitbucket",))
    collection = Collection(_RULES, paging=Paging.NUMBERS)
    items = (Item(_RULE, key="id", parameter="id"),)
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "id")
    rows = 5
    columns = (
        *repository_columns(),
        column("id", "bigint", "Number of the rule"),
        column(
            "kind",
            "text",
            "What is ruled: push, delete, force, restrict_merges, require_approvals_to_merge, "
            "require_passing_builds_to_merge, enforce_merge_checks …",
            query="kind",
        ),
        column(
            "branch_match_kind", "text", "glob or branching_model; NULL for old rules, as for glob"
        ),
        column("pattern", "text", "Branches it is for, such as release/*", query="pattern"),
        column(
            "branch_type",
            "text",
            "Branches it is for: feature, bugfix, release, hotfix, development or production",
        ),
        column("value", "bigint", "How many, of kinds that count"),
        column("users", "jsonb", "Accounts that may do it all the same"),
        column("groups", "jsonb", "Groups whose members may do it all the same"),
        column("links.self.href", "text", "Address of the rule in the API"),
    )
    writes = Writes(
        insert=Write("POST", _RULES, _FIELDS, checked=_CHECKED, advice=_ADVICE),
        update=Write("PUT", _RULE, _FIELDS, always=_FIELDS, checked=_CHECKED, advice=_ADVICE),
        delete=Write("DELETE", _RULE),
        recreate=True,
        anew="a rule with another id",
    )
    examples = (
        "-- repositories without a rule that requires a passing build; the rules of repositories\n"
        "-- that the caller does not administer cannot be read\n"
        "SELECT r.slug FROM repositories r\n"
        "JOIN acme.user_repository_permissions p ON p.repository_full_name = r.full_name\n"
        "WHERE p.permission = 'admin' AND NOT EXISTS (\n"
        "    SELECT FROM acme.branch_restrictions b\n"
        "    WHERE b.repository = r.slug AND b.kind = 'require_passing_builds_to_merge')",
        "SELECT kind, pattern, branch_type, value FROM branch_restrictions ORDER BY 1",
    )
