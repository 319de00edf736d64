"""How far a build of the control plane is, and how long the rest will take: read off the lines that Go prints."""

import itertools
import re
from collections.abc import Iterable

_DOWNLOAD = "go: downloading "
_PACKAGE = re.compile(r"^[\w.~/-]+$")
_MODULES = 159
"""How many modules the three programs need: for the bar only, one more or less does no harm."""
_DOWNLOAD_SHARE = 0.05
"""The part of the bar that downloading gets."""
_CURVE = ((0.0, 0.0), (0.3, 0.18), (0.37, 0.31), (0.6, 0.55), (0.88, 0.79), (1.0, 0.98), (1.0, 1.0))
"""Which part of the compiling time has passed when a part of the packages was begun (measured); linking ends it."""
_ENOUGH = 0.04
"""Below this part of the compiling an estimate would be a guess."""


class Estimate:
    """Fed with the lines of `go list -deps` and then of `go build -v`; knows no clock of its own."""

    def __init__(self) -> None:
        self.modules = 0
        """Modules downloaded, or on their way."""
        self.packages = 0
        """Packages whose compilation has begun."""
        self.total = 0
        """Packages to compile; 0 until it is known."""
        self._began = 0.0

    def read_list(self, lines: Iterable[str]) -> None:
        """Take lines of the first step, which downloads the modules."""
        self.modules += sum(line.startswith(_DOWNLOAD) for line in lines)

    def begin(self, total: int, now: float) -> None:
        """Start the second step, which compiles; `now` in seconds of a monotonic clock."""
        self.total, self._began = total, now

    def read_build(self, lines: Iterable[str]) -> None:
        """Take lines of the second step."""
        self.packages += sum(is_package(line) for line in lines)

    def fraction(self) -> float:
        """Return how much of everything is done, from 0 to 1; it never goes back."""
        if not self.total:
            return _DOWNLOAD_SHARE * min(self.modules / _MODULES, 1.0)
        return _DOWNLOAD_SHARE + (1 - _DOWNLOAD_SHARE) * self._compiled()

    def note(self, now: float) -> str:
        """Return what is under way and the time left, for people."""
        if not self.total:
            return f"downloading modules, {self.modules} so far"
        done = min(self.packages, self.total)
        if done == self.total:
            return "linking"
        shown = f"compiling, {done} of {self.total} packages"
        left = self.seconds_left(now)
        return shown if left is None else f"{shown}, about {_minutes(left)} left"

    def seconds_left(self, now: float) -> float | None:
        """Return the estimated rest, from the speed so far; None while nothing can be said honestly."""
        done = self._compiled() if self.total else 0.0
        if done < _ENOUGH:
            return None
        return (now - self._began) * (1 - done) / done

    def _compiled(self) -> float:
        part = min(self.packages / self.total, 1.0)
        for (left, low), (right, high) in itertools.pairwise(_CURVE):
            if part < right:
                return low + (high - low) * (part - left) / (right - left)
        return _CURVE[-2][1]


def is_package(line: str) -> bool:
    """Tell whether Go printed an import path."""
    return _PACKAGE.match(line) is not None


def _minutes(seconds: float) -> str:
    # Whole tens: more would promise what no estimate holds.
    tens = max(10, round(seconds / 10) * 10)
    return f"{tens} s" if tens < 60 else f"{tens // 60} min {tens % 60:02d} s"
