"""How much sample data there is: the repositories of each scale and the sizes of their contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from bitbucket_fdw.emulator.times import UTC

Scale = Literal["tiny", "small", "large"]

FIRST_DAY = datetime(2023, 1, 2, 8, tzinfo=UTC)
LAST_DAY = datetime(2026, 11, 20, 18, tzinfo=UTC)

# Two slugs that share more than the 63 bytes that PostgreSQL keeps of a name.
LONG_SLUG = "a-repository-whose-name-says-everything-there-is-to-say-about-its-purpose"


@dataclass(frozen=True)
class Sizes:
    """How many documents of each kind a repository has.

    :param open_share: the part of the pull requests that is still open.
    """

    commits: int = 12
    pull_requests: int = 5
    open_share: float = 0.3
    branches: int = 2
    tags: int = 2
    issues: int = 0
    pipelines: int = 3


@dataclass(frozen=True)
class RepositoryPlan:
    """One repository: its slug, its name as people wrote it, its project, and its shape."""

    slug: str
    name: str
    project: str
    sizes: Sizes
    private: bool = True
    empty: bool = False
    parent: str | None = None
    fork: bool = False
    description: str = ""
    language: str = "python"


WEBSITE: dict[Scale, Sizes] = {
    "tiny": Sizes(90, 150, 0.2, 8, 15, 45, 60),
    "small": Sizes(1500, 3000, 0.03, 20, 60, 400, 500),
    "large": Sizes(4000, 10000, 0.02, 60, 200, 1500, 2000),
}


def repositories(scale: Scale) -> Iterator[RepositoryPlan]:
    """The repositories of workspace ``acme``."""
    some = Sizes() if scale == "tiny" else Sizes(60, 40, 0.2, 6, 8, 0, 25)
    tracked = replace(some, issues=12)
    few = Sizes(6, 2, 0.5, 1, 1, 0, 1)
    yield RepositoryPlan(
        "website",
        "Website",
        "WEB",
        WEBSITE[scale],
        description='The shop\'s "front door"',
        language="javascript",
    )
    yield RepositoryPlan("mobile.app", "Mobile.App", "MOB", tracked, language="kotlin")
    yield RepositoryPlan("mobile-app", "mobile-app", "MOB", few, language="swift")
    yield RepositoryPlan("design-system", "Design-System", "WEB", some, private=False)
    yield RepositoryPlan("empty", "Empty", "OPS", Sizes(0, 0, 0, 0, 0, 0, 0), empty=True)
    yield RepositoryPlan(LONG_SLUG, LONG_SLUG, "OPS", few)
    yield RepositoryPlan(f"{LONG_SLUG}-2", f"{LONG_SLUG}-2", "OPS", few)
    yield RepositoryPlan("website-fork", "Website Fork", "WEB", few, parent="website", fork=True)
    yield RepositoryPlan("orphan-fork", "Orphan fork", "OPS", few, fork=True, private=False)
    if scale == "tiny":
        return
    for slug in ("api-gateway", "billing", "data_pipeline"):
        yield RepositoryPlan(slug, slug.replace("-", " ").title(), "OPS", tracked)
    if scale == "small":
        return
    for index in range(1, 9):
        yield RepositoryPlan(f"service-{index}", f"Service {index}", "OPS", some)


def globex_repositories() -> Iterator[RepositoryPlan]:
    """The repositories of workspace ``globex``; one shares its slug with one of ``acme``."""
    yield RepositoryPlan("reactor", "Reactor", "CORE", Sizes(issues=4))
    yield RepositoryPlan("website", "Website", "CORE", Sizes(6, 2, 0.5, 1, 1, 0, 1), private=False)
