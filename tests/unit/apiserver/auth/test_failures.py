"""Failures counted by address."""

import pytest

from deplite_apiserver.auth.failures import FAILURES_PER_MINUTE, failures_counted, source_of
from deplite_apiserver.errors import (
    ApiError,
    InvalidEnrollTokenError,
    InvalidTokenError,
    RateLimitedError,
    WrongCredentialError,
)
from deplite_apiserver.limits.memory import MemoryLimiter
from tests.unit.apiserver.clocks import StillClock


async def fail(limiter: MemoryLimiter, address: str, error: ApiError) -> ApiError:
    with pytest.raises(ApiError) as caught:
        async with failures_counted(limiter, address):
            raise error
    return caught.value


@pytest.mark.parametrize("error", [InvalidTokenError, InvalidEnrollTokenError])
async def test_the_hundredth_failure_is_told_as_it_is_and_the_next_one_waits(error: type[ApiError]) -> None:
    clock = StillClock()
    limiter = MemoryLimiter(clock)
    for _ in range(FAILURES_PER_MINUTE):
        assert type(await fail(limiter, "192.0.2.1", error())) is error
    refused = await fail(limiter, "192.0.2.1", error())
    assert type(refused) is RateLimitedError
    assert refused.retry_after == 42  # the minute began 18 seconds ago
    assert type(await fail(limiter, "192.0.2.2", error())) is error
    clock.advance(42)
    assert type(await fail(limiter, "192.0.2.1", error())) is error


async def test_what_is_no_wrong_credential_and_what_succeeds_is_not_counted() -> None:
    limiter = MemoryLimiter(StillClock())
    for _ in range(2 * FAILURES_PER_MINUTE):
        assert type(await fail(limiter, "192.0.2.1", WrongCredentialError())) is WrongCredentialError
        async with failures_counted(limiter, "192.0.2.1"):
            pass
    assert type(await fail(limiter, "192.0.2.1", InvalidTokenError())) is InvalidTokenError


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_the_source_of_an_address(address: str, source: str) -> None:
    assert source_of(address) == source
