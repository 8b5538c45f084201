"""A server of pages by formula, for amounts of data that no sample has: ``python -m
benchmarks.synthetic``.

The workspace's name says how much there is: ``w-10-500-50`` has 10 repositories, each with 500 pull
requests and 500 branches, in pages of at most 50. Nothing is filtered or sorted.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
from typing import Any
from urllib.parse import parse_qsl

_REPOSITORIES = re.compile(r"/2\.0/repositories/w-(\d+)-(\d+)-(\d+)/?")
_LISTING = re.compile(
    r"/2\.0/repositories/w-(\d+)-(\d+)-(\d+)/([\w-]+)/(pullrequests|refs/branches)/?"
)


def workspace(repositories: int, items: int, page: int) -> str:
    """The name of a workspace of this size."""
    return f"w-{repositories}-{items}-{page}"


def _repository(number: int, of: str) -> dict[str, Any]:
    return {
        "type": "repository",
        "uuid": f"{{{number:08x}-0000-4000-8000-000000000001}}",
        "slug": f"r-{number}",
        "name": f"Repository {number}",
        "full_name": f"{of}/r-{number}",
        "workspace": {"slug": of},
        "mainbranch": {"type": "branch", "name": "main"},
    }


def _pull_request(number: int, of: str) -> dict[str, Any]:
    day = f"2025-{number % 12 + 1:02}-{number % 28 + 1:02}"
    return {
        "type": "pullrequest",
        "id": number,
        "title": f"Change number {number} of {of}, with a title of the usual length",
        "state": ("OPEN", "MERGED", "DECLINED")[number % 3],
        "draft": number % 2 == 0,
        "comment_count": number % 17,
        "task_count": number % 3,
        "created_on": f"{day}T08:15:{number % 60:02}.123456+00:00",
        "updated_on": f"{day}T18:45:{number % 60:02}.654321+00:00",
        "author": {
            "type": "user",
            "display_name": f"Person {number % 40}",
            "uuid": f"{{{number % 40:08x}-0000-4000-8000-000000000002}}",
        },
        "source": {"branch": {"name": f"feature/{number}"}},
        "destination": {"branch": {"name": "main"}},
    }


def _branch(number: int, of: str) -> dict[str, Any]:
    return {"type": "branch", "name": f"branch-{number}", "target": {"hash": f"{number:040x}"}}


_MAKERS = {"": _repository, "pullrequests": _pull_request, "refs/branches": _branch}


@functools.lru_cache(maxsize=4000)
def _values(kind: str, of: str, start: int, stop: int) -> str:
    return json.dumps([_MAKERS[kind](number, of) for number in range(start, stop)])


def answer(target: str) -> str | None:
    """The JSON for a request's target; ``None`` if there is nothing at it."""
    path, _, query = target.partition("?")
    found = _LISTING.fullmatch(path) or _REPOSITORIES.fullmatch(path)
    if found is None:
        return None
    repositories, items, most = (int(part) for part in found.groups()[:3])
    listed = found.lastindex == 5
    kind, total = (found[5], items) if listed else ("", repositories)
    of = found[4] if listed else workspace(repositories, items, most)
    asked = dict(parse_qsl(query))
    length = min(int(asked.get("pagelen", 10)), most if listed else 100)
    number = int(asked.get("page", 1))
    start, stop = (number - 1) * length, min(number * length, total)
    more = ""
    if stop < total:
        rest = re.sub(r"(^|&)page=\d+", "", query)
        more = f', "next": "{{origin}}{path}?{rest}&page={number + 1}"'
    head = f'{{"size": {total}, "page": {number}, "pagelen": {length}{more}, "values": '
    return f"{head}{_values(kind, of, start + 1, stop + 1)}}}"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").split("\r\n")
            host = next(line[5:].strip() for line in lines if line.lower().startswith("host:"))
            text = answer(lines[0].split()[1])
            status = "200 OK" if text is not None else "404 Not Found"
            said = (text or '{"type": "error", "error": {"message": "Not found"}}').replace(
                "{origin}", f"http://{host}", 1
            )
            body = said.encode()
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
