"""A store behind presigned addresses, over real HTTP: what a PUT brings is there under its path, once, and can be read.

It is no S3 and proves nothing about one: it is there for what our clients do with its answers.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PIECE = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What came with a PUT."""

    size: int
    sha256: str
    headers: dict[str, str]
    content: bytes
    """Empty where the bucket keeps nothing."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An answer in place of the right one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    code: str = "ServiceUnavailable"
    stores: bool = False
    """Whether what was sent is kept all the same: the right answer was lost."""
    after: int | None = None
    """Bytes of a GET after which the connection breaks off; None: the answer stands in place of it."""


@dataclass(kw_only=True)
class Bucket:
    """What is there, and how it misbehaves."""

    url: str = ""
    keeps: bool = True
    stored: dict[str, Stored] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Method and path of each request."""
    ranges: list[str] = field(default_factory=list)
    """The `Range` of each GET, empty where it had none."""
    fault: Callable[[str, str], Fault | None] = lambda _method, _path: None

    def put(self, path: str, content: bytes) -> None:
        self.stored[path] = Stored(size=len(content), sha256=_sha(content), headers={}, content=content)


@contextmanager
def serving() -> Iterator[Bucket]:
    """Serve a bucket on a port of its own."""
    bucket = Bucket()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"bucket": bucket}))
    server.daemon_threads = True
    bucket.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    bucket: Bucket
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        fault = self._asked("PUT")
        received = self._receive()
        if received is None:
            self.close_connection = True
            return
        if fault is None and self.path in self.bucket.stored:
            fault = Fault(status=412, code="PreconditionFailed")
        if fault is None or fault.stores:
            self.bucket.stored[self.path] = received
        self._answer(fault.status if fault else 200, *_error(fault))

    def do_GET(self) -> None:
        fault = self._asked("GET")
        self.bucket.ranges.append(self.headers.get("Range", ""))
        if fault is not None and fault.after is None:
            self._answer(fault.status, *_error(fault))
            return
        kept = self.bucket.stored[self.path].content
        begin = int(found[1]) if (found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        if begin >= len(kept) > 0:
            self._answer(416, b"", {})
            return
        headers = {"Content-Range": f"bytes {begin}-{len(kept) - 1}/{len(kept)}"} if begin else {}
        self._answer(206 if begin else 200, kept[begin:], headers, cut=fault.after if fault else None)

    def _asked(self, method: str) -> Fault | None:
        self.bucket.asked.append(f"{method} {self.path}")
        return self.bucket.fault(method, self.path)

    def _receive(self) -> Stored | None:
        left, digest, kept = int(self.headers["Content-Length"]), hashlib.sha256(), b""
        size = left
        while left:
            piece = self.rfile.read(min(_PIECE, left))
            if not piece:
                return None  # the client is gone
            digest.update(piece)
            kept += piece if self.bucket.keeps else b""
            left -= len(piece)
        return Stored(size=size, sha256=digest.hexdigest(), headers=dict(self.headers), content=kept)

    def _answer(self, status: int, body: bytes, headers: dict[str, str], *, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


def _error(fault: Fault | None) -> tuple[bytes, dict[str, str]]:
    if fault is None:
        return b"", {}
    return f"<Error><Code>{fault.code}</Code></Error>".encode(), fault.headers


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
