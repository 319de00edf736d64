"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class StillClock:
    """As `deplite_apiserver.clock.Clock`."""

    def __init__(self, at: datetime = datetime(2026, 5, 31, 13, 42, 18, tzinfo=UTC)) -> None:
        self.at = at
        self.passed = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.passed

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.passed += seconds
