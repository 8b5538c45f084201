"""A server in front of the emulator that bends its answers, as no documentation allows.

``bend`` is given what was asked and the answer's JSON and gives back another answer's JSON.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from devkit.emulator import Control

from tests.api.scripted import Answer, ScriptedServer

Bend = Callable[[str, Any], Any]


def straight(target: str, body: Any) -> Any:
    """The answer as it is."""
    return body


class BendingServer(ScriptedServer):
    """Passes every GET on to an emulator; ``url`` is its own address."""

    def __init__(self, emulator: Control) -> None:
        super().__init__(self._passed_on)
        parts = urlsplit(emulator.base_url)
        self._there = f"{parts.scheme}://{parts.netloc}"
        self.bend: Bend = straight

    def _passed_on(self, target: str) -> Answer:
        # All requests of a test are of one credential.
        headers = {"Authorization": self.received[-1].headers.get("authorization", "")}
        request = urllib.request.Request(self._there + target, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                status, body = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        if status != 200:
            return Answer(body, status=status)
        # Links to further pages lead here as well.
        own = body.decode().replace(self._there, self.url)
        return Answer(self.bend(target, json.loads(own)))
