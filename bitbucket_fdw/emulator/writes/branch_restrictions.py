"""Writes of rules on branches.

Stated: ``kind`` and ``branch_match_kind`` are needed, and with them a pattern or a type of
branches. Seen live by users, 2026: a PUT needs the same members as a POST; a group that is named
otherwise than by its slug is a 400; an account that is not there is a 404; an empty list of groups
beside accounts is a 500, and so is a rule on pushes with an account that cannot write; what the
plan does not include is a 403; answers have the accounts in another order. Disputed: what a PUT
without a list does to it. Assumed: which kinds are not in every plan.
"""

from __future__ import annotations

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, Reply, bad_request, error, invalid, not_found
from bitbucket_fdw.emulator.levels import ADMINISTERED
from bitbucket_fdw.emulator.resources.branch_restrictions import (
    BRANCH_RESTRICTIONS,
    GROUPS,
    SCOPES,
    branches_of,
    group,
    rule,
)
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Repository
from bitbucket_fdw.emulator.writes.bodies import Rule, read

routes = Routes()

# The kind of fault under which a PUT without a list keeps the list that is there.
KEEPS_LISTS = "put_keeps_lists"

RESTRICTIONS = f"{ADMINISTERED.template}{BRANCH_RESTRICTIONS.path}"
RESTRICTION = f"{RESTRICTIONS}/{{id}}"

PREMIUM = frozenset({"enforce_merge_checks", "smart_reset_pullrequest_approvals"})
KINDS = PREMIUM | {
    "allow_auto_merge_when_builds_pass",
    "delete",
    "force",
    "push",
    "require_all_dependencies_merged",
    "require_approvals_to_merge",
    "require_commits_behind",
    "require_default_reviewer_approvals_to_merge",
    "require_no_changes_requested",
    "require_passing_builds_to_merge",
    "require_tasks_to_be_completed",
    "reset_pullrequest_approvals_on_change",
    "reset_pullrequest_changes_requested_on_change",
    "restrict_merges",
}
TYPES = ("feature", "bugfix", "release", "hotfix", "development", "production")
FREE_PLANS = ("globex",)  # workspaces without the kinds above
_FIELDS = {
    "kind": Rule(required=True, choices=KINDS),
    "branch_match_kind": Rule(required=True, choices=("glob", "branching_model")),
    "pattern": Rule(blank=True),
    "branch_type": Rule(choices=TYPES),
    "value": Rule("number", nullable=True),
    "users": Rule("accounts"),
    "groups": Rule("accounts"),
}


def _users(call: Call, repository: Repository, given: Json) -> list[Json]:
    found = []
    for entry in given.get("users", ()):
        key = "uuid" if "uuid" in entry else "account_id"
        user = call.store.user_by(key, entry.get(key, ""))
        if user is None:
            raise not_found(f"User {entry.get(key)} not found")
        role = repository.roles.get(user.get("nickname", ""))
        if given["kind"] == "push" and role not in ("write", "admin"):
            raise error(500, "Something went wrong")
        found.append(user)
    return found[::-1]


def _groups(repository: Repository, given: Json) -> list[Json]:
    listed = given.get("groups")
    if listed == [] and given.get("users"):
        raise error(500, "Something went wrong")
    slugs = [entry.get("slug") for entry in listed or ()]
    if not all(slug in GROUPS for slug in slugs):
        raise bad_request("malformed groups")
    return [group(repository.workspace, slug) for slug in slugs if slug]


def _branches(given: Json) -> Json:
    by_model = given["branch_match_kind"] == "branching_model"
    if by_model and (given.get("pattern") or "branch_type" not in given):
        raise invalid(branch_type="Give it alone, for a rule by the branching model.")
    if not by_model and ("branch_type" in given or not given.get("pattern")):
        raise invalid(pattern="Give it alone, for a rule by pattern.")
    return branches_of(given.get("pattern"), given.get("branch_type"))


def _made(call: Call, repository: Repository, number: int, before: Json | None = None) -> Json:
    """The rule that a body describes.

    :param before: the rule of which the lists are kept that the body leaves out.
    """
    given = read(call.body, _FIELDS)
    if given["kind"] in PREMIUM and repository.workspace in FREE_PLANS:
        raise error(403, "This kind of restriction is available on the Premium plan only.")
    branches = _branches(given)
    users, groups = _users(call, repository, given), _groups(repository, given)
    if before is not None:
        users = users if "users" in given else before["users"]
        groups = groups if "groups" in given else before["groups"]
    documents, value = call.store.documents, given.get("value")
    return rule(documents, repository, number, given["kind"], branches, value, users, groups)


@routes.add("POST", RESTRICTIONS, **SCOPES)
def create(call: Call) -> Reply:
    """Add a rule."""
    repository = call.repository("admin")
    made = _made(call, repository, call.store.next_id())
    BRANCH_RESTRICTIONS.stored(repository)[made["id"]] = made
    return Reply(201, made, {"Location": made["links"]["self"]["href"]})


@routes.add("PUT", RESTRICTION, **SCOPES)
def update(call: Call) -> Json:
    """Replace a rule."""
    repository, before = _rule(call)
    kept = before if KEEPS_LISTS in call.flags else None
    made = _made(call, repository, before["id"], kept)
    BRANCH_RESTRICTIONS.stored(repository)[made["id"]] = made
    return made


@routes.add("DELETE", RESTRICTION, **SCOPES)
def delete(call: Call) -> Reply:
    """Delete a rule."""
    repository, found = _rule(call)
    del BRANCH_RESTRICTIONS.stored(repository)[found["id"]]
    return Reply(204)


def _rule(call: Call) -> tuple[Repository, Json]:
    repository = call.repository("admin")
    number = call.number("id", "Branch restriction")
    found = BRANCH_RESTRICTIONS.stored(repository).get(number)
    if found is None:
        raise not_found("No such restriction")
    return repository, found
