"""A process that answers questions in one way: ``python -m benchmarks.worker WAY``.

Its first line of input is what it needs to know, as JSON. Each further line names a question; it is
answered with a line of JSON: the rows, the seconds, and the seconds of processor time. Nothing is
imported but what the way needs, since each way may have an environment of its own.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

WAYS = {
    "ideal": "benchmarks.http_ways:Ideal",
    "loop": "benchmarks.http_ways:Loop",
    "atlassian": "benchmarks.peers.atlassian_client:Peer",
    "dlt": "benchmarks.peers.dlt_pipeline:Peer",
}


def processor_time() -> float:
    """Seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    module, name = WAYS[sys.argv[1]].split(":")
    make = getattr(importlib.import_module(module), name)
    output, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    way = make(**json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        answer: Callable[[], Any] | None = way.answer(line.strip())
        if answer is None:
            said: dict[str, Any] = {"cannot": True}
        else:
            said = _measured(answer)
        print(json.dumps(said), file=output, flush=True)


def _measured(answer: Callable[[], Any]) -> dict[str, Any]:
    before, used = time.perf_counter(), processor_time()
    try:
        rows = answer()
    except Exception as error:  # whatever a library raises is that side's result
        return {"failed": f"{type(error).__name__}: {str(error)[:200]}"}
    return {
        "seconds": time.perf_counter() - before,
        "processor": processor_time() - used,
        "rows": rows,
    }


if __name__ == "__main__":
    main()
