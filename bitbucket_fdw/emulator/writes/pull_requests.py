"""Writes on pull requests: opening, changing, merging, declining, approving.

Stated: POST needs ``title`` and ``source.branch.name``; the destination defaults to the main
branch; only open ones can be changed; a merge may answer 202 with an address to poll. Seen live
by users, 2026: a POST for an open pair of branches overwrites the open pull request; the message
of a decline becomes its reason; a new destination without a title is a 400; a new
``close_source_branch`` that comes without another change is echoed and not kept; a merge without
a strategy is a merge commit, whatever the branch's default is, and one without
``close_source_branch`` goes by what that was when the pull request was opened; a task that there
is not stays pending for ever. Disputed: whether PUT is partial (fault ``put_replaces``: what is
left out is emptied, and a title is required), whether a second approval is refused (fault
``second_refused``: 409). Assumed: what is closed answers 400; conflicts answer 409.
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator import pull_request_log
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.documents import MERGE_STRATEGIES, rendered
from bitbucket_fdw.emulator.errors import ApiError, Json, Reply, bad_request, error, not_found
from bitbucket_fdw.emulator.levels import PULL_REQUEST, REPOSITORY, pull_request_of
from bitbucket_fdw.emulator.resources.pull_requests import READ as READ_SCOPES
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Commit, PullRequest, Repository
from bitbucket_fdw.emulator.writes import graph
from bitbucket_fdw.emulator.writes.accounts import acting_user, reviewers
from bitbucket_fdw.emulator.writes.bodies import Rule, read

routes = Routes()

WRITE: dict[str, Any] = {
    "classic": "pullrequest:write",
    "new": "read:pullrequest write:pullrequest",
    "public": False,
}
WITHDRAW: dict[str, Any] = {**WRITE, "new": "write:pullrequest"}

_FIELDS = {
    "title": Rule(required=True, longest=255),
    "description": Rule(blank=True),
    "source.branch.name": Rule(required=True),
    "source.repository.full_name": Rule(),
    "source.repository.uuid": Rule(),
    "destination.branch.name": Rule(),
    "close_source_branch": Rule("boolean"),
    "draft": Rule("boolean"),
    "reviewers": Rule("accounts"),
}
_MERGE_FIELDS = {
    "merge_strategy": Rule(choices=MERGE_STRATEGIES),
    "message": Rule(longest=128 * 1024),
    "close_source_branch": Rule("boolean"),
}


def _open_one(call: Call) -> PullRequest:
    """The pull request in the path, which must be open; needs write access."""
    call.repository("write")
    pull = pull_request_of(call)
    if pull.document["state"] != "OPEN":
        raise bad_request("This pull request is already closed.")
    return pull


def _branch_error(side: str, name: str) -> ApiError:
    message = f"branch not found: {name}"
    return error(400, f"{side}: {message}", fields={side: [message]})


def _source(call: Call, destination: Repository, given: Json) -> tuple[Repository, Commit]:
    """The repository and head commit that a body names as source."""
    repository = destination
    wanted = given.get("source.repository.full_name") or given.get("source.repository.uuid")
    if wanted:
        for candidate in call.visible(list(call.store.repositories())):
            if wanted in (candidate.full_name, candidate.document["uuid"]):
                repository = candidate
                break
        else:
            message = f"repository not found: {wanted}"
            raise error(400, f"source: {message}", fields={"source": [message]})
    name = given["source.branch.name"]
    branch = repository.branches.get(name)
    if branch is None:
        raise _branch_error("source", name)
    return repository, repository.commits[branch["target"]["hash"]]


def _destination(repository: Repository, given: Json) -> tuple[str, Commit]:
    """The name and head commit of the branch to merge into."""
    name = given.get("destination.branch.name") or repository.main_branch
    branch = repository.branches.get(name or "")
    if name is None or branch is None:
        raise _branch_error("destination", name or "(no main branch)")
    return name, repository.commits[branch["target"]["hash"]]


@routes.add("POST", f"{REPOSITORY.template}/pullrequests", **WRITE)
def create(call: Call) -> Reply:
    """Open a pull request, or overwrite the open one between the same two branches."""
    repository = call.repository("write")
    author = acting_user(call)
    given = read(call.body, _FIELDS)
    source, head = _source(call, repository, given)
    target_name, target = _destination(repository, given)
    if source is repository and graph.reaches(repository, target.hash, head.hash):
        raise bad_request("There are no changes to be pulled.")
    reviewers(call, repository, given.get("reviewers", []), author)
    graph.adopt(repository, source, head)
    pair = (source.document["uuid"], given["source.branch.name"], target_name)
    pull = next((p for p in repository.pull_requests.values() if _open_pair(p) == pair), None)
    before: Json = {} if pull is None else dict(pull.document)
    if pull is None:
        pull = _new(call, repository, author, given, (source, head), (target_name, target))
    _apply(call, repository, pull, given)
    _record(call, pull, author, before)
    return Reply(201, pull.document, {"Location": pull.document["links"]["self"]["href"]})


def _open_pair(pull: PullRequest) -> tuple[str | None, str, str] | None:
    document = pull.document
    if document["state"] != "OPEN":
        return None
    source = document["source"]
    uuid = source["repository"]["uuid"] if source["repository"] else None
    return uuid, source["branch"]["name"], document["destination"]["branch"]["name"]


def _new(
    call: Call,
    repository: Repository,
    author: Json,
    given: Json,
    source: tuple[Repository, Commit],
    destination: tuple[str, Commit],
) -> PullRequest:
    documents, now = call.store.documents, call.store.now()
    number = max(repository.pull_requests, default=0) + 1
    full_name, origin = repository.full_name, documents.repository_reference(source[0].document)
    own = documents.repository_reference(repository.document)
    commits = graph.between(repository, source[1].hash, destination[1].hash)
    document = documents.pull_request(
        full_name,
        number,
        given["title"],
        description="",
        rendered={"title": rendered(""), "description": rendered(""), "reason": rendered("")},
        summary=rendered(""),
        state="OPEN",
        draft=False,
        queued=False,
        author=author,
        source=documents.endpoint(origin, given["source.branch.name"], full_name, source[1].hash),
        destination=documents.endpoint(own, destination[0], full_name, destination[1].hash),
        merge_commit=None,
        comment_count=0,
        task_count=0,
        close_source_branch=False,
        closed_by=None,
        reason="",
        created_on=now,
        updated_on=now,
        reviewers=[],
        participants=[],
    )
    pull = PullRequest(document, source[1].hash, destination[1].hash, commits, repository)
    repository.pull_requests[number] = pull
    return pull


def _apply(call: Call, repository: Repository, pull: PullRequest, given: Json) -> None:
    """Write the fields that a body gave."""
    document = pull.document
    if "title" in given:
        document["title"] = given["title"]
    if "description" in given:
        document["description"] = given["description"] or ""
        document["summary"] = rendered(document["description"])
    for name in ("draft", "close_source_branch"):
        if name in given:
            document[name] = given[name]
    if "reviewers" in given:
        author = document["author"] or {}
        found = reviewers(call, repository, given["reviewers"], author)
        document["reviewers"] = found
        kept = [p for p in document["participants"] if p["role"] != "REVIEWER"]
        earlier = {p["user"].get("uuid"): p for p in document["participants"]}
        people = [
            earlier.get(user["uuid"])
            or call.store.documents.participant(user, "REVIEWER", None, None)
            for user in found
        ]
        document["participants"] = [
            *({**person, "role": "REVIEWER"} for person in people),
            *(p for p in kept if p["user"] not in found),
        ]
    document["rendered"] = {
        "title": rendered(document["title"]),
        "description": rendered(document["description"]),
        "reason": rendered(document["reason"]),
    }
    document["updated_on"] = call.store.now()


def _record(call: Call, pull: PullRequest, author: Json, before: Json) -> None:
    """Add to the log what has changed since the document was as ``before``."""
    date = pull.document["updated_on"]
    pull_request_log.add_update(call.store, pull, before, pull.document, date, author)


@routes.add("PUT", PULL_REQUEST.template, **WRITE)
def update(call: Call) -> Json:
    """Change an open pull request; fields that are not there stay as they are."""
    pull, repository = _open_one(call), call.repository()
    replaces = "put_replaces" in call.flags
    given = read(call.body, _FIELDS, partial=True)
    if "title" not in given and (replaces or "destination.branch.name" in given):
        message = "This field is required."
        raise error(400, f"title: {message}", fields={"title": [message]})
    if replaces:
        given = {"description": "", "reviewers": [], **given}
    if "source.branch.name" in given:
        raise error(
            400,
            "source: This field cannot be changed.",
            fields={"source": ["This field cannot be changed."]},
        )
    if "reviewers" in given:
        reviewers(call, repository, given["reviewers"], pull.document["author"] or {})
    before = dict(pull.document)
    if "destination.branch.name" in given:
        name, target = _destination(repository, given)
        own = pull.document["destination"]["repository"]
        pull.document["destination"] = call.store.documents.endpoint(
            own, name, repository.full_name, target.hash
        )
        pull.destination_hash = target.hash
    _apply(call, repository, pull, given)
    _record(call, pull, acting_user(call), before)
    others = ("title", "description", "draft", "destination", "reviewers")
    if all(pull.document[name] == before[name] for name in others):
        echo = dict(pull.document)
        pull.document["close_source_branch"] = before["close_source_branch"]
        return echo
    return pull.document


@routes.add("POST", f"{PULL_REQUEST.template}/merge", **WRITE, parameters=("async",))
def merge(call: Call) -> Reply:
    """Merge. With ``async=true``, or when a fault makes it slow, 202 and an address to poll."""
    pull, repository = _open_one(call), call.repository()
    given = read(call.body, _MERGE_FIELDS)
    later = call.one("async")
    if later not in (None, "true", "false"):
        raise bad_request("Invalid value for 'async'")
    if pull.conflicts:
        raise error(409, "You can't merge until you resolve all merge conflicts.")
    source = pull.document["source"]["repository"]
    if source is None:
        raise bad_request("The source repository of this pull request no longer exists.")
    if later == "true" or "merge_later" in call.flags:

        def finish() -> None:
            _finish_merge(call, repository, pull, given)

        task = f"{call.store.next_id():08x}"
        pull.merge_tasks[task] = finish
        path = call.url.removesuffix("/")
        return Reply(202, headers={"Location": f"{path}/task-status/{task}"})
    digest = _finish_merge(call, repository, pull, given)
    # Seen live by users: this answer has the whole hash, every later one its first 12 digits.
    whole = call.store.documents.commit_reference(repository.full_name, digest)
    return Reply(200, {**pull.document, "merge_commit": whole})


def _finish_merge(call: Call, repository: Repository, pull: PullRequest, given: Json) -> str:
    """Merge; returns the hash of the commit that came of it."""
    document = pull.document
    branch = document["destination"]["branch"]["name"]
    title = f"Merged in {document['source']['branch']['name']} (pull request #{document['id']})"
    message = given.get("message") or f"{title}\n\n{document['title']}\n"
    strategy = given.get("merge_strategy", "merge_commit")
    actor = acting_user(call)
    digest = graph.merge(
        call.store, repository, branch, pull, strategy=strategy, message=message, author=actor
    )
    document["merge_commit"] = call.store.documents.merge_commit(
        repository.full_name, repository.commits[digest].document
    )
    if given.get("close_source_branch", pull.closes_branch):
        uuid = document["source"]["repository"]["uuid"]
        if uuid == repository.document["uuid"]:
            repository.branches.pop(document["source"]["branch"]["name"], None)
    _close(call, pull, "MERGED", actor)
    return digest


def _close(call: Call, pull: PullRequest, state: str, actor: Json) -> None:
    before = dict(pull.document)
    pull.document["state"] = state
    pull.document["closed_by"] = actor
    pull.document["draft"] = False
    pull.document["closed_on"] = call.store.now()
    _apply(call, call.repository(), pull, {})
    _record(call, pull, actor, before)


@routes.add("GET", f"{PULL_REQUEST.template}/merge/task-status/{{task_id}}", **READ_SCOPES)
def merge_status(call: Call) -> Json:
    """How far a merge is: pending at the first look, done at the second."""
    pull, task = pull_request_of(call), call.path["task_id"]
    links = {"self": {"href": call.url}}
    if task not in pull.merge_tasks:
        return {"task_status": "PENDING", "links": links}
    finish = pull.merge_tasks[task]
    if task not in pull.seen_tasks:
        pull.seen_tasks.add(task)
        return {"task_status": "PENDING", "links": links}
    if pull.document["state"] == "OPEN":
        finish()
        call.store.changed()
    return {"task_status": "SUCCESS", "links": links, "merge_result": pull.document}


@routes.add("POST", f"{PULL_REQUEST.template}/decline", **WRITE)
def decline(call: Call) -> Json:
    """Decline; a message becomes the reason."""
    pull = _open_one(call)
    given = read(call.body, {"message": Rule(blank=True)})
    pull.document["reason"] = given.get("message", "")
    _close(call, pull, "DECLINED", acting_user(call))
    return pull.document


def _set_state(call: Call, state: str) -> Json:
    """Record the caller's verdict; 400 on a pull request that is closed (stated for merged)."""
    pull, actor = pull_request_of(call), acting_user(call)
    if pull.document["state"] != "OPEN":
        raise bad_request("This pull request is already closed.")
    read(call.body, {})
    people = pull.document["participants"]
    mine = next((p for p in people if p["user"].get("uuid") == actor["uuid"]), None)
    if "second_refused" in call.flags and mine and mine["state"] == state:
        raise error(409, "You have given this verdict already.")
    role = mine["role"] if mine else "PARTICIPANT"
    changed = call.store.documents.participant(actor, role, state, call.store.now())
    if mine is None:
        people.append(changed)
    else:
        mine.update(changed)
    pull_request_log.add_verdict(call.store, pull, changed)
    return changed


def _withdraw(call: Call, state: str) -> Reply:
    pull, actor = pull_request_of(call), acting_user(call)
    if pull.document["state"] != "OPEN":
        raise bad_request("This pull request is already closed.")
    for person in pull.document["participants"]:
        if person["user"].get("uuid") == actor["uuid"] and person["state"] == state:
            person.update(state=None, approved=False, participated_on=call.store.now())
            return Reply(204)
    raise not_found("You have not given this verdict on this pull request.")


@routes.add("POST", f"{PULL_REQUEST.template}/approve", **WRITE)
def approve(call: Call) -> Json:
    """Approve as the caller."""
    return _set_state(call, "approved")


@routes.add("DELETE", f"{PULL_REQUEST.template}/approve", **WITHDRAW)
def unapprove(call: Call) -> Reply:
    """Withdraw the caller's approval."""
    return _withdraw(call, "approved")


@routes.add("POST", f"{PULL_REQUEST.template}/request-changes", **WRITE)
def request_changes(call: Call) -> Json:
    """Request changes as the caller."""
    return _set_state(call, "changes_requested")


@routes.add("DELETE", f"{PULL_REQUEST.template}/request-changes", **WITHDRAW)
def unrequest_changes(call: Call) -> Reply:
    """Withdraw the caller's request for changes."""
    return _withdraw(call, "changes_requested")
