"""A real browser that grants access: ``python browser.py ADDRESS``.

Chromium without a window opens the address, presses the button of the consent page and waits until
it has been led back. It is driven through its DevTools protocol, which takes no driver program.
Named in the environment variable BROWSER, it is what Python's webbrowser module starts.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

SECONDS = 60
# Root cannot use the sandbox, and /dev/shm of a container is too small for it.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
PRESS = """
(() => {
  const user = document.querySelector('#user');
  if (user) user.value = %s;
  const button = document.querySelector('#grant');
  if (button) button.click();
  return button !== null;
})()
"""


class Page:
    """One tab."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == self._number:
                return answer.get("result", {})

    async def evaluate(self, expression: str) -> Any:
        result = await self.call("Runtime.evaluate", expression=expression)
        return result.get("result", {}).get("value")


async def grant(devtools: str, address: str, user: str) -> str:
    """Press the button and follow; the text of the page that one ends at."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{devtools}/json/list") as response:
            tabs = await response.json(content_type=None)
        target = next(tab for tab in tabs if tab["type"] == "page")
        async with session.ws_connect(target["webSocketDebuggerUrl"]) as socket:
            page = Page(socket)
            await page.call("Page.navigate", url=address)
            while not await page.evaluate(PRESS % json.dumps(user)):
                await asyncio.sleep(0.1)
            while "close this window" not in str(await page.evaluate("document.body.innerText")):
                await asyncio.sleep(0.1)
            return str(await page.evaluate("document.body.innerText"))


async def run(address: str, user: str) -> str:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                chromium,
                *FLAGS,
                "--remote-debugging-port=0",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        )
        try:
            port = Path(profile) / "DevToolsActivePort"
            while not (port.exists() and port.read_text().count("\n")):
                if process.poll() is not None:
                    sys.exit(f"chromium ended with status {process.returncode}")
                await asyncio.sleep(0.1)
            return await grant(f"http://127.0.0.1:{port.read_text().split()[0]}", address, user)
        finally:
            process.terminate()
            process.wait(10)


if __name__ == "__main__":
    work = run(sys.argv[1], os.environ.get("BROWSER_USER", "ada"))
    print(asyncio.run(asyncio.wait_for(work, SECONDS)))
