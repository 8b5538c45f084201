"""What a declaration makes its sample data with."""

from __future__ import annotations

from functools import cached_property
from random import Random
from uuid import UUID

from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.store import Store


def make_uuid(rng: Random) -> str:
    """A random UUID in the braces that Bitbucket puts around it."""
    return f"{{{UUID(int=rng.getrandbits(128), version=4)}}}"


class Sample:
    """Random numbers that only *seed* decides, so that one collection does not shuffle another.

    :param store: everything that was made before
    :param seed: names the run's seed, the place and the collection
    """

    def __init__(self, store: Store, seed: str) -> None:
        self.store = store
        self._seed = seed

    @cached_property
    def rng(self) -> Random:
        """The random numbers; made when first asked for."""
        return Random(self._seed)

    def uuid(self) -> str:
        """A new UUID in braces."""
        return make_uuid(self.rng)

    def person(self) -> Json:
        """Somebody: the document of a user who is a human being."""
        return self.rng.choice([u for u in self.store.users.values() if u["type"] == "user"])
