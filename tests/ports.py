"""Sessions of tests choose ports for their servers from ranges of their own: one is free until somebody listens there.

What a session starts with `deplite up` chooses for itself, from all there are.
"""

from collections.abc import Mapping

from deplite.local import ports

VARIABLE = "DEPLITE_TESTS_PORTS"


def environment_of(number: int, count: int) -> dict[str, str]:
    """Return what tells a session its range.

    Args:
        number: of the session, from 0.
        count: of all sessions.
    """
    share = (ports.LAST + 1 - ports.FIRST) // count
    first = ports.FIRST + number * share
    return {VARIABLE: f"{first}-{first + share - 1}"}


def keep_to(environment: Mapping[str, str]) -> None:
    """Choose from the range that the environment names, if it does."""
    if said := environment.get(VARIABLE):
        first, _, last = said.partition("-")
        ports.FIRST, ports.LAST = int(first), int(last)
