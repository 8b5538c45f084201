"""The questions of docs/questions.md answer what plain loops over the emulator's data find."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta, timezone
from statistics import median
from typing import Any

import pytest
from devkit.emulator import Control

from tests.docs.pages import DOCS, blocks
from tests.support.database import Database
from tests.support.documents import Document, rows_of

PAGE = DOCS / "questions.md"
Answer = list[tuple[Any, ...]]


def questions() -> dict[str, str]:
    """The page's statements by the names in the comments above them."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found = {}
    for block in blocks(PAGE, "sql"):
        named = re.fullmatch(r"<!-- question: (.+) -->", lines[block.line - 3])
        assert named, f"line {block.line} has a statement without a name above it"
        found[named[1]] = block.text
    return found


@pytest.fixture(scope="module")
def sample(db_factory: Callable[[], Database]) -> Database:
    database = db_factory()
    database.execute("SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme')")
    database.execute("SET TimeZone = 'UTC'")
    return database


def of_acme(emulator: Control, collection: str) -> list[tuple[str, Document]]:
    """Repository and document of everything that a collection has in the workspace."""
    rows = rows_of(emulator, collection)
    return [(row["repository"], row["document"]) for row in rows if row["workspace"] == "acme"]


def when(text: str) -> datetime:
    found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00")))
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


def who(account: Document | None) -> Any:
    return (account or {}).get("uuid")


def is_bot(account: Document | None) -> bool:
    return (account or {}).get("type") == "app_user"


def hours(times: Iterable[timedelta]) -> float | None:
    found = [passed.total_seconds() / 3600 for passed in times]
    return median(found) if found else None


def waiting(emulator: Control) -> Answer:
    entries: dict[tuple[str, int], list[Document]] = defaultdict(list)
    for repository, entry in of_acme(emulator, "pull_request_activity"):
        entries[repository, entry["pull_request"]["id"]].append(entry)
    groups: dict[tuple[str, date], list[dict[str, timedelta]]] = defaultdict(list)
    for repository, pull in of_acme(emulator, "pull_requests"):
        if is_bot(pull["author"]):
            continue
        opened, first = when(pull["created_on"]), {}

        def note(name: str, moment: str) -> None:
            passed = when(moment) - opened  # noqa: B023, used at once
            first[name] = min(first.get(name, passed), passed)  # noqa: B023

        for entry in entries[repository, pull["id"]]:
            [kind] = entry.keys() - {"pull_request"}
            detail = entry[kind]
            if kind == "update":
                if detail["state"] == "MERGED":
                    note("merge", detail["date"])
            elif not is_bot(detail["user"]) and (
                who(detail["user"]) is None or who(detail["user"]) != who(pull["author"])
            ):
                moment = detail["created_on"] if kind == "comment" else detail["date"]
                note("review", moment)
                if kind == "approval":
                    note("approval", moment)
        groups[repository, opened.date().replace(day=1)].append(first)
    return [
        (
            *group,
            len(found),
            *(
                hours(first[name] for first in found if name in first)
                for name in ("review", "approval", "merge")
            ),
        )
        for group, found in groups.items()
    ]


def unapproved(emulator: Control) -> Answer:
    def approved(pull: Document) -> bool:
        return any(
            person["approved"]
            and (who(person["user"]) is None or who(person["user"]) != who(pull["author"]))
            for person in pull["participants"]
        )

    return [
        (repository, pull["id"], pull["title"])
        for repository, pull in of_acme(emulator, "pull_requests")
        if pull["state"] == "MERGED" and not approved(pull)
    ]


def approvals(emulator: Control) -> Answer:
    titles = {
        pull["id"]: pull["title"]
        for repository, pull in of_acme(emulator, "pull_requests")
        if repository == "website" and pull["state"] == "OPEN"
    }
    newest = sorted(titles)[-20:]
    return [
        (
            entry["pull_request"]["id"],
            titles[entry["pull_request"]["id"]],
            entry["approval"]["user"]["display_name"],
            when(entry["approval"]["date"]),
        )
        for repository, entry in of_acme(emulator, "pull_request_activity")
        if repository == "website" and "approval" in entry and entry["pull_request"]["id"] in newest
    ]


def lines_of(emulator: Control, wanted: str) -> dict[int, int]:
    """How many lines each pull request of a repository adds and removes."""
    lines: dict[int, int] = defaultdict(int)
    for row in rows_of(emulator, "pull_request_diffstat"):
        if (row["workspace"], row["repository"]) == ("acme", wanted):
            document = row["document"]
            lines[row["pull_request_id"]] += document["lines_added"] + document["lines_removed"]
    return lines


def large_unapproved(emulator: Control) -> Answer:
    lines = lines_of(emulator, "mobile.app")
    return [
        (number, title, lines[number])
        for repository, number, title in unapproved(emulator)
        if repository == "mobile.app" and lines.get(number, 0) > 100
    ]


def successful(emulator: Control) -> Iterable[tuple[str, Document, Document]]:
    """Repository, deployment and environment of what was deployed without a failure."""
    environments = {row["uuid"]: row for _, row in of_acme(emulator, "environments")}
    for repository, deployment in of_acme(emulator, "deployments"):
        if deployment["state"].get("status", {}).get("name") == "SUCCESSFUL":
            yield repository, deployment, environments[deployment["environment"]["uuid"]]


def deployments(emulator: Control) -> Answer:
    counts: dict[tuple[date, str, str], int] = defaultdict(int)
    for repository, deployment, environment in successful(emulator):
        day = when(deployment["state"]["completed_on"]).date()
        week = day - timedelta(days=day.weekday())
        counts[week, repository, environment["name"]] += 1
    return [(*group, count) for group, count in counts.items()]


def deployed_commits(emulator: Control) -> Answer:
    commits = {
        row["hash"]: row for place, row in of_acme(emulator, "commits") if place == "website"
    }
    found = []
    for repository, deployment, environment in successful(emulator):
        if repository == "website" and environment["environment_type"]["name"] == "Production":
            release = deployment["release"]
            commit = commits.get(release["commit"]["hash"])
            found.append(
                (
                    when(deployment["state"]["completed_on"]),
                    release["name"],
                    release["commit"]["hash"],
                    commit and commit["author"]["raw"],
                    commit and when(commit["date"]),
                )
            )
    return found


def sizes(emulator: Control) -> Answer:
    lines = lines_of(emulator, "website")
    merges = {
        entry["pull_request"]["id"]: when(entry["update"]["date"])
        for repository, entry in of_acme(emulator, "pull_request_activity")
        if repository == "website" and entry.get("update", {}).get("state") == "MERGED"
    }
    merged = [
        pull
        for repository, pull in of_acme(emulator, "pull_requests")
        if repository == "website" and pull["state"] == "MERGED"
    ]
    groups: dict[str, list[timedelta]] = defaultdict(list)
    for pull in sorted(merged, key=lambda pull: when(pull["created_on"]))[-50:]:
        opened, number = when(pull["created_on"]), pull["id"]
        if pull["source"]["repository"] and number in lines:
            size = lines[number]
            name = "under 50" if size < 50 else "under 200" if size < 200 else "more"
            groups[name].append(merges[number] - opened)
    return [(name, len(found), hours(found)) for name, found in groups.items()]


ANSWERS: dict[str, Callable[[Control], Answer]] = {
    "waiting": waiting,
    "approvals": approvals,
    "unapproved": unapproved,
    "large unapproved": large_unapproved,
    "deployments": deployments,
    "deployed commits": deployed_commits,
    "sizes": sizes,
}


def test_every_question_is_asked_here() -> None:
    assert questions().keys() == ANSWERS.keys()


def rounded(rows: Answer) -> Answer:
    """The rows with their numbers to six digits, in some order."""
    return sorted(
        (tuple(round(float(v), 6) if isinstance(v, float) else v for v in row) for row in rows),
        key=repr,
    )


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_is_answered_right(sample: Database, emulator: Control, question: str) -> None:
    expected = rounded(ANSWERS[question](emulator))
    assert expected
    assert rounded(sample.rows(questions()[question])) == expected
