"""Spent nonces."""

import pytest

from deplite_apiserver.auth.nonces import MemoryNonces, PacedNonces
from deplite_apiserver.errors import UnavailableError
from tests.unit.apiserver.clocks import StillClock


async def test_a_nonce_is_spent_once_an_agent() -> None:
    nonces = MemoryNonces()
    assert await nonces.spend("ag-1", "a", 1000)
    assert not await nonces.spend("ag-1", "a", 1000)
    assert not await nonces.spend("ag-1", "a", 1300)
    assert await nonces.spend("ag-2", "a", 1000)
    assert await nonces.spend("ag-1", "b", 1000)


async def test_a_nonce_is_remembered_for_as_long_as_it_could_be_replayed() -> None:
    nonces = MemoryNonces()
    assert await nonces.spend("ag-1", "a", 1000)
    # The server's clock is at 1300 at most while 1000 is fresh; others may then be signed up to 1600.
    assert await nonces.spend("ag-2", "b", 1600)
    assert not await nonces.spend("ag-1", "a", 1000)


async def test_what_nobody_can_replay_is_forgotten() -> None:
    nonces = MemoryNonces()
    for number in range(1000):
        assert await nonces.spend("ag-1", str(number), 1000 + number * 10)
    assert len(nonces._spent) <= 62


async def test_an_agent_that_spends_without_end_is_to_come_again_and_no_other_one() -> None:
    clock, spent = StillClock(), MemoryNonces()
    nonces = PacedNonces(spent, clock.monotonic, log_requests_per_second=100)
    for number in range(4000):
        assert await nonces.spend("ag-1", str(number), 1000)
    with pytest.raises(UnavailableError) as refused:
        await nonces.spend("ag-1", "next", 1000)
    assert refused.value.retry_after == 1
    assert len(list(spent.remembered())) == 4000
    assert await nonces.spend("ag-2", "next", 1000)
    clock.advance(1)
    assert await nonces.spend("ag-1", "next", 1000)
