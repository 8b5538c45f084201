"""Requests of a fan-out of which every row is wanted: none waits while there is room for it."""

import threading

import pytest

from tests.support.fake_api import FakeApi, Received, Reply, numbered
from tests.support.reading import WORKSPACE, Session

CONCURRENCY = 8
PATIENCE = 20  # seconds after which a request that should come will not come any more


class Waves(FakeApi):
    """Answers requests for listings in waves: none before :data:`CONCURRENCY` of them have come."""

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Barrier(CONCURRENCY, timeout=PATIENCE)

    def answer(self, request: Received) -> Reply:
        if request.path != "/repositories/acme":
            self._gate.wait()
        return super().answer(request)


@pytest.mark.parametrize(
    "pages",
    [
        [1] * 24,
        [5] + [1] * 19,
        [3] + [1] * 21,
        [1] * 7 + [5] + [1] * 12,
        [1] * 11 + [5] + [1] * 8,
        [4, 4] + [1] * 16,
        [7] + [1] * 33,
        [17] + [1] * 15,
    ],
    ids=str,
)
def test_there_is_no_room_left_while_a_listing_waits(pages: list[int]) -> None:
    """The shape of a workspace: of its many repositories one or two have more than a page."""
    slugs = [f"r{n}" for n in range(len(pages))]
    api = Waves.of_repositories(*slugs)
    for slug, count in zip(slugs, pages, strict=True):
        api.collection(f"/repositories/acme/{slug}/pullrequests", numbered(50 * count))
    session = Session.of(api, concurrency=CONCURRENCY)
    found = session.values("repository", "pull_requests", bound=WORKSPACE)
    assert found == [s for s, count in zip(slugs, pages, strict=True) for _ in range(50 * count)]
    assert len(api.received) == 1 + sum(pages)
