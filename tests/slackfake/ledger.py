"""What was asked of Slack, call by call, and what became of each."""

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Call:
    """One call.

    `outcome` is `ok`, the code of an `ok: false`, `429`, the status of a fault, `lost`, or `held` while it hangs.
    """

    number: int
    method: str
    """The method's name, `oauth.v2.access` too; `hooks` for a response_url."""
    team: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    outcome: str = "held"
    answer: dict[str, Any] = field(default_factory=dict)
    retry_after: str = ""

    @property
    def done(self) -> bool:
        """Whether Slack did what was asked, whoever heard of it."""
        return self.outcome in ("ok", "lost")


class Ledger:
    """All calls in the order in which they came."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def opened(self, method: str, arguments: dict[str, Any]) -> Call:
        with self._lock:
            call = Call(number=len(self._calls), method=method, arguments=arguments)
            self._calls.append(call)
            return call

    def calls(self, method: str | None = None, outcome: str | None = None) -> list[Call]:
        with self._lock:
            return [
                call
                for call in self._calls
                if (method is None or call.method == method) and (outcome is None or call.outcome == outcome)
            ]
