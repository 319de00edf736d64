"""The ranges of ports of the sessions: no port is in two."""

import pytest

from deplite.local import ports
from tests.ports import VARIABLE, environment_of, keep_to

FIRST, LAST = 20_000, 32_767


@pytest.fixture(autouse=True)
def _whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with all ports, whatever this session was told."""
    monkeypatch.setattr(ports, "FIRST", FIRST)
    monkeypatch.setattr(ports, "LAST", LAST)


def test_no_port_is_in_two_ranges() -> None:
    found: list[int] = []
    for environment in [environment_of(number, 5) for number in range(5)]:
        keep_to(environment)
        found += range(ports.FIRST, ports.LAST + 1)
        assert ports.FIRST <= ports.choose(["a"], {})["a"] <= ports.LAST
    assert len(found) == len(set(found)) > LAST - FIRST - 5
    assert FIRST <= min(found) < max(found) <= LAST


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}])
def test_who_is_told_nothing_has_all(environment: dict[str, str]) -> None:
    keep_to(environment)
    assert (ports.FIRST, ports.LAST) == (FIRST, LAST)
