"""Redis away, back, back empty, or wrong about us: what is refused, what goes on, and what is known afterwards."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.kube.errors import UnavailableError as KubeUnavailableError
from deplite.patience import PATIENCE
from deplite.resources.limits import RateLimit
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.jobs.quota import workflow_key
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.windows import Exceeded, quotas
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.connect import connect
from deplite_apiserver.shared.limiter import RedisLimiter, UnseededError
from deplite_apiserver.shared.link import Link, RedisAwayError
from deplite_apiserver.shared.once import RedisOnce
from deplite_apiserver.shared.pulse import Pulse
from tests.kube.serving import until
from tests.kube.shared.conftest import Unhurried, link_to
from tests.unit.apiserver.jobs.builders import NAMESPACE, job_body
from tests.valkey import Valkey

TWO = quotas("k", "token", RateLimit(per_minute=2))


class Jobs:
    """The cache of jobs of one replica."""

    def __init__(self, *jobs: JobView) -> None:
        self.jobs, self.error = list(jobs), None
        self.refreshed = 0

    error: Exception | None

    def values(self) -> list[JobView]:
        return self.jobs

    async def wait_synced(self) -> None:
        return

    async def refresh(self) -> None:
        self.refreshed += 1
        if self.error is not None:
            raise self.error


class Slow(Jobs):
    """A cache that is listed anew for as long as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def refresh(self) -> None:
        self.asked.set()
        await self.go_on.wait()


def of_now(name: str) -> JobView:
    """A job that was made a moment ago, as the cluster stores it."""
    body = job_body()
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body["spec"] |= {"workflow": "deploy-prod", "agent": "web"}
    return project(body | {"metadata": body["metadata"] | {"name": name, "creationTimestamp": at}})


@pytest_asyncio.fixture
async def link(mortal: Valkey, installation: str) -> AsyncIterator[Link]:
    made = link_to(mortal, installation)
    yield made
    await made.close()


def pulse_of(link: Link, jobs: Jobs) -> tuple[RedisLimiter, Pulse]:
    limiter = RedisLimiter(link)
    return limiter, Pulse(link, limiter, jobs, settle_seconds=0)


async def test_an_empty_redis_lets_nobody_through_before_the_jobs_are_counted(link: Link) -> None:
    jobs = Jobs(of_now("j-1"), of_now("j-2"))
    limiter, pulse = pulse_of(link, jobs)
    limit = quotas(workflow_key(NAMESPACE, "web", "deploy-prod"), "workflow", RateLimit(per_day=3))
    with pytest.raises(UnseededError) as refused:
        await limiter.reserve(limit)
    assert refused.value.retry_after == 1
    assert isinstance(await limiter.reserve(()), Reservation)  # what nothing limits needs no windows
    await pulse.look()
    assert (pulse.seeded.is_set(), jobs.refreshed) == (True, 1)
    assert [type(await limiter.reserve(limit)) for _ in range(2)] == [Reservation, Exceeded]


async def test_of_many_replicas_that_count_none_counts_what_another_has(mortal: Valkey, installation: str) -> None:
    links = [link_to(mortal, installation) for _ in range(5)]
    jobs = [Jobs(of_now("j-1")) for _ in links]
    pulses = [pulse_of(link, cache) for link, cache in zip(links, jobs, strict=True)]
    for _ in range(2):
        await asyncio.gather(*(pulse.look() for _, pulse in pulses))
    assert all(pulse.seeded.is_set() for _, pulse in pulses)
    limit = quotas(workflow_key(NAMESPACE, "web", "deploy-prod"), "workflow", RateLimit(per_day=3))
    outcomes = [type(await limiter.reserve(limit)) for limiter, _ in pulses]
    assert outcomes == [Reservation, Reservation, Exceeded, Exceeded, Exceeded]
    for link in links:
        await link.close()


async def test_a_replica_that_cannot_know_the_jobs_seeds_nothing_and_lets_others_try(link: Link) -> None:
    jobs = Jobs()
    jobs.error = KubeUnavailableError("away", retry_after=1)
    limiter, pulse = pulse_of(link, jobs)
    with pytest.raises(KubeUnavailableError):
        await pulse.look()
    with pytest.raises(UnseededError):
        await limiter.reserve(TWO)
    jobs.error = None
    await pulse.look()
    assert isinstance(await limiter.reserve(TWO), Reservation)


async def test_redis_that_is_emptied_while_its_jobs_are_counted_is_counted_anew(link: Link, mortal: Valkey) -> None:
    jobs = Slow()
    _, pulse = pulse_of(link, jobs)
    counting = asyncio.create_task(pulse.look())
    await jobs.asked.wait()
    async with mortal.client() as client:
        await client.flushall()
        jobs.go_on.set()
        await counting
        assert not await client.exists(link.key("seeded"))
    await pulse.look()
    assert pulse.seeded.is_set()


async def test_one_that_dies_while_it_counts_holds_up_nobody(link: Link, mortal: Valkey, installation: str) -> None:
    dying, jobs = link_to(mortal, installation), Jobs()
    counting = asyncio.create_task(Pulse(dying, RedisLimiter(dying), jobs, settle_seconds=60).look())
    async with mortal.client() as client:
        await until(lambda: client.exists(link.key("emptied")), 1)
    counting.cancel()
    await asyncio.gather(counting, return_exceptions=True)
    _, pulse = pulse_of(link, Jobs())
    await pulse.look()
    assert pulse.seeded.is_set()
    await dying.close()


async def test_redis_that_comes_back_empty_is_counted_anew(link: Link, mortal: Valkey) -> None:
    jobs = Jobs()
    limiter, pulse = pulse_of(link, jobs)
    await pulse.look()
    key = workflow_key(NAMESPACE, "web", "deploy-prod")
    three = quotas(key, "workflow", RateLimit(per_hour=3, per_day=3))
    reserved = await limiter.reserve(three)
    assert isinstance(reserved, Reservation)
    jobs.jobs = [of_now("j-1")]  # what became of it
    await mortal.restart()
    with pytest.raises(UnavailableError):
        await limiter.reserve(three)
    with pytest.raises(UnavailableError):  # whether it was noticed by a broken connection or by the missing marker
        await limiter.reserve(three)
    await pulse.look()
    await limiter.give_back(reserved)  # of the Redis before: nothing that was counted here
    assert [type(await limiter.reserve(three)) for _ in range(3)] == [Reservation, Reservation, Exceeded]


async def test_while_redis_is_away_limited_calls_are_refused_at_once(
    link: Link, mortal: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    limiter, pulse = pulse_of(link, Jobs())
    await pulse.look()
    await mortal.kill()
    for _ in range(20):
        with pytest.raises(RedisAwayError) as refused:
            await limiter.reserve(TWO)
        assert refused.value.retry_after == 1
        with pytest.raises(RedisAwayError):
            await RedisOnce(link).first("event", "Ev1", 60)
    assert link.away
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1  # said once, not for each call
    with pytest.raises(RedisAwayError):
        await pulse.look()
    await mortal.start()
    await pulse.look()
    assert not link.away
    assert isinstance(await limiter.reserve(TWO), Reservation)


async def test_a_redis_that_stands_still_is_waited_for_within_the_patience_of_the_caller(
    link: Link, mortal: Valkey
) -> None:
    limiter, pulse = pulse_of(link, Jobs())
    await pulse.look()
    mortal.pause()
    try:
        token = PATIENCE.set(0.3)
        with pytest.raises(RedisAwayError):
            await limiter.reserve(TWO)
        with pytest.raises(RedisAwayError):
            await pulse.look()  # finds out that it is not our own slowness
        PATIENCE.reset(token)
        begun = time.monotonic()
        for _ in range(200):  # those who come next do not wait at all
            with pytest.raises(RedisAwayError):
                await limiter.reserve(TWO)
        assert time.monotonic() - begun < 60  # 200 times the usual patience would be a quarter of an hour
    finally:
        mortal.resume()
    await pulse.look()
    assert isinstance(await limiter.reserve(TWO), Reservation)


async def test_a_wrong_password_is_said_and_the_replica_is_not_ready(
    mortal: Valkey, installation: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-password")
    link = Unhurried(connect(mortal.settings.model_copy(update={"password_file": wrong})), installation, Metrics())
    limiter, pulse = pulse_of(link, Jobs())
    assert not link.refused
    with pytest.raises(RedisAwayError):
        await pulse.look()
    assert link.refused
    assert "DEPLITE_REDIS_PASSWORD_FILE" in caplog.text
    assert "not-the-password" not in caplog.text
    wrong.write_text(mortal.password_file.read_text())  # mended: read again at the next connection
    await pulse.look()
    assert not link.refused
    assert isinstance(await limiter.reserve(TWO), Reservation)
    await link.close()


async def test_a_password_that_changes_later_does_not_make_it_unready(link: Link, mortal: Valkey) -> None:
    _, pulse = pulse_of(link, Jobs())
    await pulse.look()
    async with mortal.client() as client:
        await client.config_set("requirepass", "another")
        await client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(RedisAwayError):
        await pulse.look()
    assert (link.away, link.refused) == (True, False)


async def test_a_wrong_password_is_noticed_also_where_redis_could_not_be_reached_first(
    mortal: Valkey, installation: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-password")
    await mortal.kill()
    link = Unhurried(connect(mortal.settings.model_copy(update={"password_file": wrong})), installation, Metrics())
    _, pulse = pulse_of(link, Jobs())

    async def looked() -> None:
        for _ in range(3):
            with pytest.raises(RedisAwayError):
                await pulse.look()

    await looked()
    assert (link.away, link.refused) == (True, False)
    await mortal.start()
    await looked()
    assert (link.away, link.refused) == (True, True)
    await mortal.kill()
    await looked()
    assert link.refused  # nothing says that its password is right by now
    actions = [record.__dict__["action"] for record in caplog.records if "action" in record.__dict__]
    assert actions == ["redis_away", "redis_refused", "redis_away"]
    await link.close()


async def test_a_script_that_redis_refuses_is_no_crash(link: Link, mortal: Valkey) -> None:
    limiter, pulse = pulse_of(link, Jobs())
    await pulse.look()
    async with mortal.client() as client:
        await client.config_set("maxmemory", "1")  # full, and it may evict nothing
    with pytest.raises(RedisAwayError):
        await limiter.reserve(TWO)


async def test_a_redis_that_is_full_is_not_back_before_it_has_room(
    link: Link, mortal: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="deplite_apiserver.shared.link")
    limiter, pulse = pulse_of(link, Jobs())
    await pulse.look()
    async with mortal.client() as client:
        await client.config_set("maxmemory", "1")
        with pytest.raises(RedisAwayError):
            await limiter.reserve(TWO)
        for _ in range(3):
            with pytest.raises(RedisAwayError):
                await pulse.look()
            assert link.away
        await client.config_set("maxmemory", "0")
    await pulse.look()
    assert isinstance(await limiter.reserve(TWO), Reservation)
    said = [record.__dict__["action"] for record in caplog.records]
    assert said == ["redis_unwilling", "redis_back"]
