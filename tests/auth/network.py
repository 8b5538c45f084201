"""Servers of these tests: TLS in front of another server, a proxy, and one that listens only."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """A certificate authority made for one test, and a certificate for localhost by it."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Made with openssl."""
    authority, authority_key = directory / "ca.pem", directory / "ca.key"
    request, certificate, key = (directory / f"server.{end}" for end in ("csr", "pem", "key"))
    extensions = directory / "extensions"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    _openssl(
        "req",
        "-x509",
        *new,
        "-subj",
        "/CN=test authority",
        "-keyout",
        str(authority_key),
        "-out",
        str(authority),
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    _openssl("req", *new[:-2], "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(request))
    _openssl(
        "x509",
        "-req",
        "-in",
        str(request),
        "-CA",
        str(authority),
        "-CAkey",
        str(authority_key),
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        str(extensions),
        "-out",
        str(certificate),
    )
    return Certificates(authority, certificate, key)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def tls_front(certificates: Certificates, port: int) -> Iterator[int]:
    """A port that speaks TLS and passes on to ``port``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with _listener() as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(
                    target=_tls_pass, args=(context, connection, port), daemon=True
                ).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def _tls_pass(context: ssl.SSLContext, connection: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as near:
        _pass(near, port)


def _pass(near: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as far:
        back = threading.Thread(target=_copy, args=(far, near), daemon=True)
        back.start()
        _copy(near, far)
        back.join(5)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@dataclass
class Proxy:
    """What came to a proxy: the first line of each request, and everything it could read."""

    port: int
    lines: list[str] = field(default_factory=list)
    readable: bytes = b""


@contextlib.contextmanager
def proxy() -> Iterator[Proxy]:
    """A proxy that tunnels (CONNECT), and refuses to do anything else."""
    with _listener() as listener:
        made = Proxy(listener.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_tunnel, args=(made, connection), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield made


def _tunnel(made: Proxy, near: socket.socket) -> None:
    with contextlib.suppress(OSError), near:
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(65536)
        made.readable += head
        line = head.split(b"\r\n")[0].decode()
        made.lines.append(line)
        method, target, _ = line.split(" ")
        if method != "CONNECT":
            near.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        near.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        _pass(near, int(target.rpartition(":")[2]))


@dataclass
class Stranger:
    """A server that no credential may reach; ``seen`` is what did: request lines and headers."""

    url: str
    seen: list[str] = field(default_factory=list)


@contextlib.contextmanager
def stranger() -> Iterator[Stranger]:
    """A server of another origin that notes all requests and answers 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.seen.append(f"{self.requestline}\n{self.headers}")
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Stranger(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def _listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
