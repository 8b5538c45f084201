"""What kind of answer a request wants: JSON, or a text as it is, which may lie at another host.

Bitbucket answers logs and files by a redirect to a store elsewhere, whose address is a permission
in itself (seen live by users, 2026). The store is asked without the credential.
"""

from __future__ import annotations

import codecs
from email.message import Message
from typing import NamedTuple

from ..errors import BadResponse, RequestError, ServerFailure


class Wanted(NamedTuple):
    """What a request asks for, and where a redirect of it may lead.

    :param accept: the media types it takes, as its ``Accept`` header.
    :param text: whether the answer is a text, and not JSON.
    :param elsewhere: whether a redirect may lead to another host, or beside the API on its own.
    """

    accept: str = "application/json"
    text: bool = False
    elsewhere: bool = False


JSON = Wanted()


Item = dict[str, str | int | bool | None]


def as_item(
    body: bytes, content_type: str | None, limit: int | None = None, length: int | None = None
) -> Item:
    """A text as if it had come as JSON: an object with the ``body``, and its
    ``content_length`` in bytes.

    It is read in the charset that the answer names. Without one, or with one that is not known, it
    is UTF-8. Bytes that are no characters become U+FFFD.

    :param limit: how many bytes are shown. A longer text is cut there, or before the character
        that would not end there, and has a member ``cut_short``.
    :param length: the length of such a text; ``None`` if it is not known.
    """
    message = Message()
    message["Content-Type"] = content_type or ""
    charset = message.get_content_charset() or "utf-8"
    if limit is None or len(body) <= limit:
        return {"body": _decoded(body, charset), "content_length": len(body)}
    if length is not None and length < len(body):
        length = None
    text = _decoded(body[:limit], charset, is_whole=False)
    return {"body": text, "content_length": length, "cut_short": True}


def _decoded(body: bytes, charset: str, is_whole: bool = True) -> str:
    try:
        "".encode(charset)  # raises LookupError for a codec that is not one of characters
        return codecs.getincrementaldecoder(charset)("replace").decode(body, is_whole)
    except (LookupError, ValueError):
        return codecs.getincrementaldecoder("utf-8")("replace").decode(body, is_whole)


def store_failure(status: int, method: str, path: str) -> RequestError:
    """The error for a store that did not give what Bitbucket's answer leads to.

    It is never one that says that there is nothing: Bitbucket has said that there is. Neither the
    store's address nor its body is repeated, since the address is a permission. A status below 500
    is only told in words: what Bitbucket means by 401, 404 or 429 is not what a store means.
    """
    failed = status >= 500
    return (ServerFailure if failed else BadResponse)(
        f"{method} {path} leads to a store that answered {status}",
        method=method,
        path=path,
        status=status if failed else None,
        hint="Bitbucket keeps the text there. Try again later.",
    )
