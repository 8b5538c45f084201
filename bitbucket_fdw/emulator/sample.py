"""Random numbers, UUIDs and people for sample data."""

from __future__ import annotations

from functools import cached_property
from random import Random
from typing import Any
from uuid import UUID

from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.store import Store
from bitbucket_fdw.emulator.templates import Template


def make_uuid(rng: Random) -> str:
    """A random UUID in the braces that Bitbucket puts around it."""
    return f"{{{UUID(int=rng.getrandbits(128), version=4)}}}"


def former_user() -> Json:
    """What is left of an account that was deleted."""
    return {"type": "user", "display_name": "Former user"}


class Sample:
    """What a declaration makes its documents with.

    Each collection of each parent has random numbers of its own, so that a change in one collection
    does not change the others.

    :param store: everything that was made before.
    :param seed: decides the random numbers; names the run's seed, the place and the collection.
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

    def document(self, template: Template, **given: Any) -> Json:
        """A document made from a template, in which every ``$uuid`` that is not given is a new one.

        :param given: what the other names of the template stand for.
        """
        return template.fill(_Given(self, given))

    def person(self) -> Json:
        """Somebody: the document of a user who is a human being."""
        return self.rng.choice([u for u in self.store.users.values() if u["type"] == "user"])


class _Given(dict[str, Any]):
    """What a template's names stand for."""

    def __init__(self, sample: Sample, given: dict[str, Any]) -> None:
        super().__init__(given)
        self._sample = sample

    def __missing__(self, name: str) -> Any:
        if name == "uuid":
            return self._sample.uuid()
        raise KeyError(name)
