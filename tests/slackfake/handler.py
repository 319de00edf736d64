"""One request to the fake: what it is, which fault stands in for its answer, and the answer."""

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.ports import kept
from tests.slackfake import methods, oauth
from tests.slackfake.faults import Fault, Faults
from tests.slackfake.hooks import Hook, respond
from tests.slackfake.ledger import Call, Ledger
from tests.slackfake.workspace import Slack

_SECRET_ARGUMENTS = {"token", "client_secret", "code"}


@dataclass(frozen=True)
class Desk:
    """What a request works on."""

    slack: Slack
    lock: threading.RLock
    hooks: dict[str, Hook]
    ledger: Ledger
    faults: Faults
    browser: Callable[[], oauth.Person]


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: str
    kind: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, value: dict[str, Any]) -> "Answer":
        return cls(200, json.dumps(value))


class Handler(BaseHTTPRequestHandler):
    """Slack's addresses."""

    desk: Desk
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/api/"):
            self._call(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), "")
            return
        if parts.path != "/oauth/v2/authorize":
            self._send(Answer(404, "not found", "text/plain"))
            return
        with self.desk.lock:
            status, page = oauth.authorize(self.desk.slack, dict(parse_qsl(parts.query)), self.desk.browser())
        if status == 302:
            self._send(Answer(302, "", "text/html", (("Location", page),)))
        else:
            self._send(Answer(status, page, "text/html"))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._call(urlsplit(self.path).path, *self._arguments(raw))

    def _call(self, path: str, arguments: Any, trouble: str) -> None:
        method = path.removeprefix("/api/") if path.startswith("/api/") else "hooks"
        kept = arguments if isinstance(arguments, dict) else {}
        call = self.desk.ledger.opened(method, {k: v for k, v in kept.items() if k not in _SECRET_ARGUMENTS})
        call.team = self._team(path, kept)
        fault = self.desk.faults.take(method, call.team)
        answer = self._standing_in(call, fault)
        if answer is None:
            answer = self._done(path, method, arguments, trouble, call)
        if fault is not None and fault.kind == "lose":
            call.outcome = "lost" if call.outcome == "ok" else call.outcome
            self.close_connection = True
            return
        self._send(answer)

    def _standing_in(self, call: Call, fault: Fault | None) -> Answer | None:
        if fault is not None and fault.kind == "hang":
            self.desk.faults.hold(call.method, fault)
            fault = Fault(kind="fail", status=503)
        if fault is not None and fault.kind == "delay":
            time.sleep(fault.seconds)
        elif fault is not None and fault.kind == "fail":
            call.outcome = str(fault.status)
            return Answer(fault.status, fault.body, "text/html")
        elif fault is not None and fault.kind == "refuse":
            call.outcome = fault.code
            return Answer.of({"ok": False, "error": fault.code})
        wait = fault.retry_after if fault is not None and fault.kind == "limit" else 0
        wait = wait or self.desk.faults.too_fast(call.method, call.team, str(call.arguments.get("channel", "")))
        return _limited(call, wait) if wait else None

    def _done(self, path: str, method: str, arguments: Any, trouble: str, call: Call) -> Answer:
        with self.desk.lock:
            if method == "hooks":
                status, text = respond(self.desk.slack, self.desk.hooks.get(path), arguments)
                call.outcome = "ok" if status == 200 else text
                return Answer(status, text, "text/plain")
            if trouble:
                value: dict[str, Any] = {"ok": False, "error": trouble}
            elif method == "oauth.v2.access":
                value = oauth.exchange(self.desk.slack, self.headers.get("Authorization", ""), arguments)
            else:
                value = methods.run(self.desk.slack, method, self._bearer(arguments), arguments)
            call.answer = {name: item for name, item in value.items() if name != "access_token"}
            call.outcome = "ok" if value["ok"] else value["error"]
            return Answer.of(value)

    def _arguments(self, raw: bytes) -> tuple[Any, str]:
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind == "application/json":
            try:
                value = json.loads(raw)
            except ValueError:
                return None, "invalid_json"
            return value, "" if isinstance(value, dict) else "json_not_object"
        if kind == "application/x-www-form-urlencoded" or not raw:
            pairs = parse_qsl(urlsplit(self.path).query) + parse_qsl(raw.decode(), keep_blank_values=True)
            return dict(pairs), ""
        return None, "invalid_post_type"

    def _bearer(self, arguments: dict[str, Any]) -> str | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token
        in_json = self.headers.get("Content-Type", "").startswith("application/json")
        return None if in_json else arguments.get("token")

    def _team(self, path: str, arguments: dict[str, Any]) -> str:
        hook = self.desk.hooks.get(path)
        token = self.desk.slack.tokens.get(self._bearer(arguments) or "")
        return hook.team.id if hook else token.team.id if token else ""

    def _send(self, answer: Answer) -> None:
        body = answer.body.encode()
        try:
            self.send_response(answer.status)
            for name, value in (*answer.headers, ("Content-Type", answer.kind), ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # whoever asked is gone

    def log_message(self, format: str, *args: object) -> None:
        pass


def _limited(call: Call, wait: int) -> Answer:
    call.outcome, call.retry_after = "429", str(wait)
    headers = (("Retry-After", str(wait)),)
    body = json.dumps({"ok": False, "error": "ratelimited"}) if call.method != "hooks" else "rate_limited"
    return Answer(429, body, "application/json; charset=utf-8" if call.method != "hooks" else "text/plain", headers)


class Connections:
    """The listening socket and what came of it; the port stays the same when it is opened again."""

    class Server(ThreadingHTTPServer):
        """A server that knows its connections."""

        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True
        request_queue_size = 256

        def __init__(self, port: int, handler: type[Handler]) -> None:
            super().__init__(("127.0.0.1", port), handler)
            self.open: set[socket.socket] = set()
            self.guard = threading.Lock()

        def process_request(self, request: Any, client_address: Any) -> None:
            with self.guard:
                self.open.add(request)
            super().process_request(request, client_address)

        def shutdown_request(self, request: Any) -> None:
            with self.guard:
                self.open.discard(request)
            super().shutdown_request(request)

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of a client that broke off; all else is a bug of the fake and is shown."""
            import sys

            if not isinstance(sys.exc_info()[1], OSError):
                super().handle_error(request, client_address)

    def __init__(self) -> None:
        self._keeping = kept()
        self.port: int = self._keeping.getsockname()[1]
        self._threads: dict[int, threading.Thread] = {}

    def serve(self, handler: type[Handler]) -> Server:
        server = self.Server(self.port, handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self._threads[id(server)] = thread
        return server

    def stop(self, server: Server) -> None:
        server.shutdown()
        self._threads.pop(id(server)).join()
        server.server_close()
        with server.guard:
            for connection in server.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed meanwhile

    def close(self) -> None:
        """Give the port back."""
        self._keeping.close()
