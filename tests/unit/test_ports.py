"""The ranges of ports of the sessions: no port is in two."""

import socket

import pytest

from deplite.local import ports
from tests.ports import FIRST, LAST, VARIABLE, environment_of, keep_to, kept

ALL = (20_000, 32_767)


@pytest.fixture(autouse=True)
def _whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with all ports, whatever this session was told."""
    monkeypatch.setattr(ports, "FIRST", ALL[0])
    monkeypatch.setattr(ports, "LAST", ALL[1])


def test_no_port_is_in_two_ranges_or_one_of_the_product() -> None:
    found: list[int] = []
    for environment in [environment_of(number, 5) for number in range(5)]:
        keep_to(environment)
        found += range(ports.FIRST, ports.LAST + 1)
        assert ports.FIRST <= ports.choose(["a"], {})["a"] <= ports.LAST
    assert len(found) == len(set(found)) > LAST - FIRST - 5
    assert FIRST <= min(found) < max(found) <= LAST < ALL[0]


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}])
def test_who_is_told_nothing_has_all(environment: dict[str, str]) -> None:
    keep_to(environment)
    assert (ports.FIRST, ports.LAST) == ALL


def test_a_kept_port_refuses_callers_until_one_of_ours_listens() -> None:
    with kept() as keeping:
        address = keeping.getsockname()
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            with socket.create_server(address):
                socket.create_connection(address).close()
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(address)
