"""How long whoever asks is willing to wait for one answer of the Kubernetes API or the object store.

A caller over HTTP is told within three seconds that something is away; what goes on in the background has more time.
"""

from contextvars import ContextVar

PATIENCE: ContextVar[float | None] = ContextVar("patience", default=None)
"""Seconds; None: the usual time of each client."""


def patience(usual: float) -> float:
    """Return the seconds to wait for an answer.

    Args:
        usual: for those who are in no hurry.
    """
    wanted = PATIENCE.get()
    return usual if wanted is None else min(wanted, usual)
