"""Waits between tries: exponential, with full jitter, so that many clients do not come back together."""

import random
from dataclasses import dataclass


@dataclass(kw_only=True)
class Backoff:
    """Seconds to wait before the next try; `reset` after a success."""

    first: float = 0.2
    most: float = 10.0
    tries: int = 0

    def next(self) -> float:
        """Return the next wait: between half of and the whole of `first * 2^tries`, at most `most`."""
        ceiling = min(self.most, self.first * 2 ** min(self.tries, 32))
        self.tries += 1
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, hides nothing

    def reset(self) -> None:
        """Begin anew."""
        self.tries = 0
