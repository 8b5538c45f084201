"""Sample pull requests: the documents of a history's courses, and what was said on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from bitbucket_fdw.emulator.data import text
from bitbucket_fdw.emulator.data.accounts import PEOPLE, anybody
from bitbucket_fdw.emulator.data.history import MAIN, Course, History
from bitbucket_fdw.emulator.documents import rendered
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.pull_request_log import add_comment, add_update, add_verdict
from bitbucket_fdw.emulator.sample import former_user
from bitbucket_fdw.emulator.store import PullRequest, Repository, Store
from bitbucket_fdw.emulator.times import offset_form, parse

KEYS = ("unit", "lint", "deploy/preview", "build #1")


class PullRequests:
    """Fills one repository's pull requests.

    :param first_id: the number after which ids of comments and tasks go on.
    """

    def __init__(self, store: Store, repository: Repository, rng: Random, first_id: int) -> None:
        self._store, self._repository, self._rng = store, repository, rng
        self._documents = store.documents
        self._people = [store.users[nickname] for nickname, _ in PEOPLE]
        self._reference = store.documents.repository_reference(repository.document)
        fork = store.workspaces[repository.workspace].repositories.get(f"{repository.slug}-fork")
        self._fork = fork and store.documents.repository_reference(fork.document)
        self._next = first_id

    def add(self, history: History) -> None:
        """Add every course of ``history`` as a pull request."""
        for course in history.courses:
            self._add(course)

    def _account(self, bots: bool = True) -> Json | None:
        chance = self._rng.random()
        if chance < 0.02:
            return None
        if chance < 0.05:
            return former_user()
        return anybody(self._store, self._rng, chance if bots else 0)

    def _add(self, course: Course) -> None:
        rng = self._rng
        author = self._account(bots=False)
        reviewers = [user for user in rng.sample(self._people, rng.randrange(4)) if user != author]
        if course.number % 20 == 0:
            author = self._store.users["oauth-app"]
        comments = rng.choices((0, 1, 2, 4), (50, 25, 15, 10))[0]
        last = course.closed or course.opened
        updated = last + timedelta(minutes=rng.randrange(600), microseconds=rng.randrange(10**6))
        base = course.base
        document = self._document(course, author, reviewers, offset_form(updated))
        record = PullRequest(
            document, course.commits[-1], base, list(course.commits), self._repository
        )
        # Somebody has opened it from a branch that was begun anew.
        record.unrelated = course.state == "DECLINED" and course.number % 25 == 7
        self._repository.pull_requests[course.number] = record
        self._discuss(record, course, comments)
        if rng.random() < 0.15:
            self._add_statuses(record, course)
        record.conflicts = document["state"] == "OPEN" and rng.random() < 0.1
        self._log(record)

    def _log(self, record: PullRequest) -> None:
        """Log how it came to be as it is; every fifth one was renamed when it was ready."""
        document = record.document
        opened = {**document, "state": "OPEN", "reason": ""}
        before = {**opened, "reviewers": []}
        if document["id"] % 5 == 0:
            before.update(title=f"WIP {document['title']}", description="", draft=True)
        created, author = document["created_on"], document["author"]
        add_update(self._store, record, {}, before, created, author)
        if before != opened:
            soon = offset_form(parse(created) + timedelta(minutes=1))
            add_update(self._store, record, before, opened, soon, author)
        if document["state"] != "OPEN":
            closed = document["updated_on"], document["closed_by"]
            add_update(self._store, record, opened, document, *closed)
        for participant in document["participants"]:
            if participant["state"]:
                add_verdict(self._store, record, participant)
        for comment in record.comments.values():
            add_comment(self._store, record, comment)

    def _document(
        self, course: Course, author: Json | None, reviewers: list[Json], updated_on: str
    ) -> Json:
        rng, full_name = self._rng, self._repository.full_name
        source: Json | None = self._reference
        chance = rng.random()
        if chance < 0.02 and course.state != "OPEN":
            source = None  # came from a fork that is gone
        elif chance < 0.05 and self._fork:
            source = self._fork
        description = text.paragraph(rng)
        declined = course.state == "DECLINED"
        merged, known = course.merge_commit, course.number % 5 > 0
        return self._documents.pull_request(
            full_name,
            course.number,
            course.title,
            description=description,
            rendered={
                "title": rendered(course.title),
                "description": rendered(description),
                "reason": rendered(""),
            },
            summary=rendered(description),
            state=course.state,
            draft=course.state == "OPEN" and rng.random() < 0.15,
            queued=False,
            author=author,
            source=self._documents.endpoint(source, course.branch, full_name, course.commits[-1]),
            destination=self._documents.endpoint(self._reference, MAIN, full_name, course.base),
            merge_commit=self._documents.merge_commit(
                full_name, self._repository.commits[merged].document
            )
            if merged
            else None,
            comment_count=0,
            task_count=0,
            close_source_branch=course.close_source_branch,
            closed_by=None if course.closed is None else self._account(),
            reason="Not needed any more" if declined and rng.random() < 0.5 else "",
            created_on=offset_form(course.opened),
            # Not all answers have it, and it is not known which ones.
            **({"closed_on": offset_form(course.closed)} if known and course.closed else {}),
            updated_on=updated_on,
            reviewers=reviewers,
            participants=self._participants(course, reviewers),
        )

    def _participants(self, course: Course, reviewers: list[Json]) -> list[Json]:
        rng = self._rng
        found = []
        for user in reviewers:
            state = rng.choice((None, "approved", "approved", "changes_requested"))
            on = offset_form(course.opened + timedelta(hours=rng.randrange(1, 48)))
            found.append(self._documents.participant(user, "REVIEWER", state, on))
        if rng.random() < 0.2:
            user = rng.choice(self._people)
            if user not in reviewers:
                found.append(self._documents.participant(user, "PARTICIPANT", None, None))
        return found

    def _discuss(self, record: PullRequest, course: Course, comments: int) -> None:
        rng, path = self._rng, self._path(record)
        moment = course.opened
        for _ in range(comments):
            self._next += 1
            moment += timedelta(minutes=rng.randrange(1, 900), microseconds=rng.randrange(10**6))
            record.comments[self._next] = self._comment(record, path, moment)
        for _ in range(rng.choices((0, 1, 2), (85, 10, 5))[0]):
            self._next += 1
            record.tasks[self._next] = self._task(record, path, moment)
        document = record.document
        document["comment_count"] = sum(not c["deleted"] for c in record.comments.values())
        document["task_count"] = sum(t["state"] == "UNRESOLVED" for t in record.tasks.values())

    def _path(self, record: PullRequest) -> str:
        return f"/repositories/{self._repository.full_name}/pullrequests/{record.document['id']}"

    def _comment(self, record: PullRequest, path: str, moment: datetime) -> Json:
        rng, deleted = self._rng, self._rng.random() < 0.08
        earlier = list(record.comments)
        more: Json = {
            "created_on": offset_form(moment),
            "updated_on": offset_form(moment + timedelta(seconds=rng.choice((0, 0, 90)))),
            "user": self._account(),
            "deleted": deleted,
            "pending": False,
            "pullrequest": self._documents.pull_request_reference(record.document),
        }
        if earlier and rng.random() < 0.4:
            parent = rng.choice(earlier)
            more["parent"] = {"id": parent, "links": record.comments[parent]["links"]}
        elif rng.random() < 0.35:
            line = rng.randrange(1, 200)
            side = {"from": None, "to": line} if rng.random() < 0.7 else {"from": line, "to": None}
            more["inline"] = {**side, "path": rng.choice(text.FILES), **self._seen_at(record, side)}
            if rng.random() < 0.3:
                more["resolution"] = {
                    "type": "comment_resolution",
                    "user": rng.choice(self._people),
                    "created_on": offset_form(moment + timedelta(hours=5)),
                }
        raw = "" if deleted else text.remark(rng)
        return self._documents.comment("pullrequest_comment", path, self._next, raw, **more)

    def _seen_at(self, record: PullRequest, side: Json) -> Json:
        """The commits that a comment was written on; some comments are on several lines."""
        line = side["from"] or side["to"]
        several = line % 4 == 0
        return {
            "start_from": line - 1 if several and side["from"] else None,
            "start_to": line - 1 if several and side["to"] else None,
            "outdated": line % 5 == 0,
            "src_rev": record.source_hash,
            "dest_rev": record.destination_hash,
            "base_rev": record.destination_hash if line % 2 else None,
            "context_lines": "",
        }

    def _task(self, record: PullRequest, path: str, moment: datetime) -> Json:
        rng, done = self._rng, self._rng.random() < 0.5
        more: Json = {}
        if record.comments and rng.random() < 0.6:
            identifier = rng.choice(list(record.comments))
            more["comment"] = {"id": identifier, "links": record.comments[identifier]["links"]}
        return self._documents.task(
            path,
            self._next,
            text.remark(rng),
            created_on=offset_form(moment),
            updated_on=offset_form(moment + timedelta(hours=1)),
            state="RESOLVED" if done else "UNRESOLVED",
            pending=False,
            creator=rng.choice(self._people),
            resolved_on=offset_form(moment + timedelta(hours=1)) if done else None,
            resolved_by=rng.choice(self._people) if done else None,
            **more,
        )

    def _add_statuses(self, record: PullRequest, course: Course) -> None:
        commit = self._repository.commits[record.source_hash]
        for key in self._rng.sample(KEYS, self._rng.randrange(1, 3)):
            moment = course.opened + timedelta(minutes=self._rng.randrange(60))
            commit.statuses[key] = self._documents.status(
                self._repository.document,
                commit.hash,
                key,
                state=self._rng.choice(("SUCCESSFUL", "SUCCESSFUL", "FAILED", "INPROGRESS")),
                name=f"{key} on {course.branch}",
                url=f"https://ci.example/{commit.hash[:8]}/{self._rng.randrange(1000)}",
                description=text.remark(self._rng),
                refname=course.branch,
                created_on=offset_form(moment),
                # Seen live, rarely: a time without its zone.
                updated_on=offset_form(moment.replace(tzinfo=None)),
            )
