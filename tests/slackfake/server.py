"""The HTTP server of the fake, and its controls. One thread a connection; what is in Slack is under one lock."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.slackfake.faults import Fault, Faults, Pace
from tests.slackfake.handler import Connections, Desk, Handler
from tests.slackfake.hooks import Hook
from tests.slackfake.ledger import Call, Ledger
from tests.slackfake.oauth import Person
from tests.slackfake.speaker import Speaker
from tests.slackfake.workspace import App, Slack, Team


class FakeSlack(Speaker):
    """See the package's docstring."""

    def __init__(self) -> None:
        self.slack = Slack()
        self.team = self.slack.add_team()
        self.browser = Person(team=self.team)
        self.lock = threading.RLock()
        self.hooks: dict[str, Hook] = {}
        self.ledger = Ledger()
        self.faults = Faults()
        self._desk = Desk(self.slack, self.lock, self.hooks, self.ledger, self.faults, lambda: self.browser)
        self._connections = Connections()
        self._server: Connections.Server | None = None
        super().__init__()
        self.up()

    @property
    def app(self) -> App:
        """The app's ids and secrets."""
        return self.slack.app

    def add_team(self, team_id: str, name: str = "Other", *, enterprise: str = "") -> Team:
        """Make one more workspace."""
        with self.lock:
            return self.slack.add_team(team_id, name, enterprise=enterprise)

    def scopes(self, team: Team | None = None) -> frozenset[str]:
        """The scopes that the app has in a team; none where it is not installed."""
        with self.lock:
            held = [token for token in self.slack.tokens.values() if token.team is (team or self.team)]
        return held[-1].scopes if held and not held[-1].trouble else frozenset()

    def token(self, team: Team | None = None) -> str:
        """The newest bot token of a team, for tests that look for it where it must not be."""
        with self.lock:
            return [token.value for token in self.slack.tokens.values() if token.team is (team or self.team)][-1]

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the variables that make an apiserver this app; its secrets are written to files of a folder."""
        for name, secret in (("client", self.app.client_secret), ("signing", self.app.signing_secret)):
            (folder / f"slack-{name}-secret").write_text(secret)
        return {
            "DEPLITE_SLACK_URL": self.url,
            "DEPLITE_SLACK_CLIENT_ID": self.app.client_id,
            "DEPLITE_SLACK_CLIENT_SECRET_FILE": str(folder / "slack-client-secret"),
            "DEPLITE_SLACK_SIGNING_SECRET_FILE": str(folder / "slack-signing-secret"),
        }

    # What was asked.

    def calls(self, method: str | None = None, outcome: str | None = None) -> list[Call]:
        """The calls so far, in their order."""
        return self.ledger.calls(method, outcome)

    def held(self, method: str | None = None) -> int:
        """How many calls hang now."""
        return self.faults.held(method)

    def wait(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Return when the condition holds; AssertionError after so many seconds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not come true; the last calls: {self.calls()[-5:]}"
            time.sleep(0.05)

    # Faults.

    def limit(
        self,
        *,
        times: int | None = None,
        method: str | None = None,
        retry_after: int = 1,
        team: Team | None = None,
    ) -> None:
        """Answer 429."""
        concerned = team.id if team else None
        self.faults.add(Fault(kind="limit", left=times, method=method, retry_after=retry_after, team=concerned))

    def pace(self, method: str, *, calls: int, seconds: float) -> None:
        """Answer 429 to more calls of a method for one channel in so many seconds."""
        self.faults.pace(method, Pace(calls=calls, seconds=seconds))

    def fail(self, status: int, *, times: int | None = None, method: str | None = None, body: str = "") -> None:
        """Answer with this status and do nothing."""
        self.faults.add(Fault(kind="fail", left=times, method=method, status=status, body=body))

    def refuse(self, code: str, *, times: int | None = None, method: str | None = None) -> None:
        """Answer `ok: false`."""
        self.faults.add(Fault(kind="refuse", left=times, method=method, code=code))

    def hang(self, *, times: int | None = None, method: str | None = None) -> None:
        """Hold calls, undone, until `heal`."""
        self.faults.add(Fault(kind="hang", left=times, method=method))

    def delay(self, seconds: float, *, times: int | None = None, method: str | None = None) -> None:
        """Answer rightly, and late."""
        self.faults.add(Fault(kind="delay", left=times, method=method, seconds=seconds))

    def lose(self, *, times: int | None = None, method: str | None = None) -> None:
        """Do what was asked, and break the connection off."""
        self.faults.add(Fault(kind="lose", left=times, method=method))

    def heal(self) -> None:
        """End all faults."""
        self.faults.heal()

    # The process.

    @property
    def accepting(self) -> bool:
        """Whether connections are accepted."""
        return self._server is not None

    def up(self) -> None:
        """Accept connections (again), on the same port."""
        assert self._server is None
        handler = type("BoundHandler", (Handler,), {"desk": self._desk})
        self._server = self._connections.serve(handler)
        self.url = f"http://127.0.0.1:{self._connections.port}"

    def down(self) -> None:
        """Refuse connections, and break off those that are open."""
        assert self._server is not None
        self._connections.stop(self._server)
        self._server = None

    def close(self) -> None:
        """Stop for good."""
        self.heal()
        if self._server is not None:
            self.down()
        self._connections.close()
        self.http.close()

    # A browser.

    def install(
        self, url: str, *, team: Team | None = None, user: str = "U0ANN", deny: bool = False, org_wide: bool = False
    ) -> httpx.Response:
        """Follow an install-url as a browser does and return the last page, which is the app's."""
        self.browser = Person(team=team or self.team, user=user, denies=deny, org_wide=org_wide)
        return self.http.get(url, headers={"Accept": "text/html"}, follow_redirects=True)

    def approve(self, url: str, *, team: Team | None = None, user: str = "U0ANN") -> str:
        """Approve, and return the address that the browser would go to, without going there."""
        self.browser = Person(team=team or self.team, user=user)
        answer = self.http.get(url)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@contextmanager
def serving() -> Iterator[FakeSlack]:
    """A fake Slack on a port of its own."""
    slack = FakeSlack()
    try:
        yield slack
    finally:
        slack.close()
