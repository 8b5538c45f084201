"""Sample history: commits, branches and tags, and the pull requests that grew them.

Time runs once from the first day to the last. Direct commits move the main branch; a pull request
starts a branch at the tip of that moment, and its merge brings it back. So the graph, the hashes in
pull requests and the refs agree with one another.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random

from bitbucket_fdw.emulator.data import text
from bitbucket_fdw.emulator.data.accounts import PEOPLE
from bitbucket_fdw.emulator.data.plan import FIRST_DAY, LAST_DAY, Sizes
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.store import Commit, Repository, Store
from bitbucket_fdw.emulator.times import offset_form

MAIN = "main"


@dataclass
class Course:
    """The course of one pull request, before its document is made."""

    number: int
    title: str
    branch: str
    opened: datetime
    state: str
    closed: datetime | None
    commits: list[str] = field(default_factory=list)
    base: str = ""
    merge_commit: str | None = None
    close_source_branch: bool = False


class History:
    """Makes the commits, branches and tags of one repository.

    ``main`` are the hashes of the main branch, oldest first. ``courses`` are its pull requests,
    oldest first.
    """

    def __init__(self, store: Store, repository: Repository, sizes: Sizes, rng: Random) -> None:
        self._store, self._repository, self._sizes, self._rng = store, repository, sizes, rng
        self._reference = store.documents.repository_reference(repository.document)
        self._people = [store.users[nickname] for nickname, _ in PEOPLE]
        self.main: list[str] = []
        self.courses: list[Course] = []

    def grow(self) -> None:
        """Make everything."""
        events: list[tuple[datetime, int, Course | None]] = []
        span = (LAST_DAY - FIRST_DAY).total_seconds()
        for index in range(self._sizes.commits):
            moment = FIRST_DAY + timedelta(
                seconds=span * (index + self._rng.random()) / self._sizes.commits
            )
            events.append((moment, len(events), None))
        self.courses = self._plan_courses(span)
        for planned in self.courses:
            events.append((planned.opened, len(events), planned))
        heapq.heapify(events)
        self._commit(FIRST_DAY, "Initial commit", [])
        order = len(events)
        while events:
            moment, _, course = heapq.heappop(events)
            if course is None:
                self._commit(moment, text.title(self._rng, -1), self.main[-1:])
            elif not course.base:
                self._open(course)
                if course.state == "MERGED" and course.closed:
                    order += 1
                    heapq.heappush(events, (course.closed, order, course))
            else:
                self._merge(course, moment)
        self._add_refs()

    def _plan_courses(self, span: float) -> list[Course]:
        rng, total = self._rng, self._sizes.pull_requests
        courses = []
        for index in range(total):
            # The first tenth of the time has no pull requests, so that there is a history.
            share = 0.1 + 0.9 * (index + rng.random()) / total
            opened = FIRST_DAY + timedelta(seconds=span * share, microseconds=rng.randrange(10**6))
            chance = rng.random()
            if chance < self._sizes.open_share:
                state, closed = "OPEN", None
            else:
                state = rng.choices(("MERGED", "DECLINED", "SUPERSEDED"), (75, 22, 3))[0]
                closed = opened + timedelta(
                    hours=rng.expovariate(1 / 48), microseconds=rng.randrange(10**6)
                )
            if closed and closed > LAST_DAY:
                state, closed = "OPEN", None
            number = index + 1
            course = Course(
                number,
                text.title(rng, index),
                text.branch_name(rng, number),
                opened,
                state,
                closed,
                close_source_branch=rng.random() < 0.9,
            )
            courses.append(course)
        return courses

    def _open(self, course: Course) -> None:
        course.base = tip = self.main[-1]
        for step in range(self._rng.choice((1, 1, 1, 2, 3))):
            moment = course.opened - timedelta(minutes=30 - 7 * step)
            tip = self._commit(moment, text.title(self._rng, -1), [tip], on_main=False)
            course.commits.append(tip)

    def _merge(self, course: Course, moment: datetime) -> None:
        message = f"Merged in {course.branch} (pull request #{course.number})\n\n{course.title}"
        digest = self._commit(moment, message, [self.main[-1], course.commits[-1]])
        # Now and then Bitbucket does not name the merge commit, as after a merge by a push.
        course.merge_commit = digest if self._rng.random() > 0.05 else None

    def _commit(
        self, moment: datetime, message: str, parents: list[str], on_main: bool = True
    ) -> str:
        rng = self._rng
        digest = f"{rng.getrandbits(160):040x}"
        moment = moment.replace(microsecond=0)
        if rng.random() < 0.1:
            moment = moment.astimezone(timezone(timedelta(hours=rng.choice((-5, 2, 9)))))
        document = self._store.documents.commit(
            self._reference, digest, offset_form(moment), self._author(), f"{message}\n", parents
        )
        self._repository.commits[digest] = Commit(document, text.files(rng), self._repository)
        if on_main:
            self.main.append(digest)
        return digest

    def _author(self) -> Json:
        rng = self._rng
        chance = rng.random()
        if chance < 0.06:
            return self._store.documents.author("build robot <robot@localhost>", None)
        if chance < 0.08:
            return self._store.documents.author("no address at all", None)
        user = rng.choice(self._people)
        raw = f"{user['display_name']} <{user['nickname']}@acme.example>"
        return self._store.documents.author(raw, user)

    def _add_refs(self) -> None:
        rng, documents = self._rng, self._store.documents
        repository = self._repository
        heads = {MAIN: self.main[-1]}
        for number in range(self._sizes.branches):
            # Numbered names tell natural from lexical order.
            heads[f"release/{number + 1}"] = rng.choice(self.main)
        for course in self.courses:
            stays = course.state == "OPEN" or (
                not course.close_source_branch and rng.random() < 0.3
            )
            if stays:
                heads[course.branch] = course.commits[-1]
        for name in sorted(heads):
            target = repository.commits[heads[name]].document
            repository.branches[name] = documents.branch(repository.document, name, target)
        names = sorted(
            f"v{1 + number // 10}.{number % 10 * 3}" for number in range(self._sizes.tags)
        )
        for name in names:
            digest = rng.choice(self.main)
            target = repository.commits[digest].document
            annotated = rng.random() < 0.7
            repository.tags[name] = documents.tag(
                repository.document,
                name,
                target,
                f"Release {name}\n" if annotated else None,
                date=target["date"] if annotated else None,
                tagger=target["author"] if annotated else None,
            )
