"""How the documents of a collection are addressed, where several collections do it alike."""

from __future__ import annotations

from bitbucket_fdw.emulator.errors import ApiError, not_found, pipelines_not_found
from bitbucket_fdw.emulator.resource import Item


def numbered(what: str) -> Item:
    """By ``id``, which has to be a number.

    :param what: the kind of document as errors call it, such as ``Comment``. The path variable is
        named after it.
    """
    variable = f"{what.lower()}_id"
    return Item("id", lambda key: not_found(f"{what} not found"), variable=variable, number=what)


def of_pipelines(what: str, service: str) -> Item:
    """By ``uuid``, with the pipelines service's error for one that is not there.

    :param what: the kind of document as errors call it, such as ``deployment``.
    :param service: the service as errors call it.
    """

    def missing(key: str) -> ApiError:
        return pipelines_not_found(what, key, service)

    return Item("uuid", missing)
