"""A server that means harm: it says just the bytes that a test gives it, as slowly as it likes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LONGEST = 30.0  # seconds that a connection is served at most

Script = Callable[[], Iterator[bytes]]


class HostileServer:
    """Answers every request with the pieces of ``script``.

    ``ended`` is set for each connection that the client has closed, ``served`` counts them all.
    """

    def __init__(self, script: Script, pause: float = 0.0) -> None:
        self._script = script
        self._pause = pause
        self._closing = threading.Event()
        self.ended = threading.Event()
        self.served = 0
        self.asked = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self.served += 1
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(LONGEST)
            if not connection.recv(65536):
                return
            self.asked.set()
            try:
                for piece in self._script():
                    connection.sendall(piece)
                    if self._closing.wait(self._pause):
                        return
                    if self._has_gone(connection):
                        break
            except OSError:
                pass  # the client would not have any more of it
            self.ended.set()

    @staticmethod
    def _has_gone(connection: socket.socket) -> bool:
        connection.setblocking(False)
        try:
            return connection.recv(1) == b""
        except BlockingIOError:
            return False
        finally:
            connection.settimeout(LONGEST)

    def close(self) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(LONGEST)
        self._listener.close()
