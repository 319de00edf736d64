"""How Slack misbehaves: one fault stands in for an answer, for some calls or all, until it is healed."""

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Fault:
    """One way to misbehave. `kind` is limit, fail, refuse, hang, delay or lose."""

    kind: str
    method: str | None = None
    team: str | None = None
    """The id of the workspace that it concerns; None: all."""
    left: int | None = None
    """Calls that it still concerns; None: all."""
    status: int = 503
    body: str = ""
    code: str = ""
    retry_after: int = 1
    seconds: float = 0
    healed: threading.Event = field(default_factory=threading.Event)


@dataclass(kw_only=True)
class Pace:
    """A window: so many calls of a method for one channel of a team in so many seconds."""

    calls: int
    seconds: float
    seen: dict[tuple[str, str], deque[float]] = field(default_factory=dict)

    def wait(self, key: tuple[str, str], now: float) -> int:
        """Return 0 and count the call, or the whole seconds after which there is room again."""
        seen = self.seen.setdefault(key, deque())
        while seen and seen[0] <= now - self.seconds:
            seen.popleft()
        if len(seen) < self.calls:
            seen.append(now)
            return 0
        return max(1, math.ceil(seen[0] + self.seconds - now))


class Faults:
    """Which faults there are now; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._waiting: list[threading.Event] = []
        self._paces: dict[str, Pace] = {}
        self._holding: dict[int, str] = {}
        self._numbers: Iterator[int] = itertools.count()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
            self._waiting.append(fault.healed)
        return fault

    def pace(self, method: str, pace: Pace) -> None:
        with self._lock:
            self._paces[method] = pace

    def heal(self) -> None:
        with self._lock:
            for healed in self._waiting:
                healed.set()
            self._waiting.clear()
            self._faults.clear()
            self._paces.clear()

    def take(self, method: str, team: str) -> Fault | None:
        """Return the oldest fault that concerns this call, used up by it."""
        with self._lock:
            for fault in self._faults:
                if fault.method in (None, method) and fault.team in (None, team):
                    if fault.left is not None:
                        fault.left -= 1
                        if not fault.left:
                            self._faults.remove(fault)
                    return fault
        return None

    def too_fast(self, method: str, team: str, channel: str) -> int:
        """Return the seconds to wait by the method's window, 0 for none."""
        with self._lock:
            pace = self._paces.get(method)
            return pace.wait((team, channel), time.monotonic()) if pace else 0

    def hold(self, method: str, fault: Fault) -> None:
        """Wait until the fault is healed."""
        with self._lock:
            number = next(self._numbers)
            self._holding[number] = method
        fault.healed.wait()
        with self._lock:
            del self._holding[number]

    def held(self, method: str | None = None) -> int:
        with self._lock:
            return sum(1 for name in self._holding.values() if method in (None, name))
