"""Scheduled triggers, by a clock that the tests move, on a replica that alone sweeps."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import Agent, DeployJob, Trigger
from deplite.resources.identifiers import keyed_job_id
from deplite.resources.resource import utc
from deplite.resources.trigger import ScheduleStatus
from deplite_apiserver.settings import Settings
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, benched
from tests.kube.jobs.timeline import Timeline, timeline
from tests.kube.serving import served, until
from tests.organizations import create_organization, delete_namespace

HOUR = timedelta(hours=1)


@pytest_asyncio.fixture
async def line(settings: Settings, kube: KubeClient, organization: str, people: People) -> AsyncIterator[Timeline]:
    async with timeline(settings, kube, organization, people) as made:
        yield made


class Nightly:
    """A trigger that fires each hour, and what the cluster says of it."""

    def __init__(self, line: Timeline, trigger_id: str) -> None:
        self.line, self.id = line, trigger_id
        self.kube, self.namespace = line.bench.kube, line.bench.namespace

    async def trigger(self) -> Trigger:
        return await self.kube.get(Trigger, self.namespace, "nightly")

    async def status(self) -> ScheduleStatus:
        status = (await self.trigger()).status.schedule
        assert status is not None
        return status

    async def next(self) -> datetime | None:
        status = (await self.trigger()).status.schedule
        return None if status is None else status.next_fire_at

    async def begins(self) -> datetime:
        """Wait until it has a next fire time, and return it."""

        async def known() -> bool:
            return await self.next() is not None

        await until(known, True)
        found = await self.next()
        assert found is not None
        return found

    async def leap(self, moment: datetime) -> None:
        """Make it a moment later than now, and wait until the schedule has gone on."""
        self.line.sleep((moment - self.line.clock.now()).total_seconds())

        async def gone_on() -> bool:
            following = await self.next()
            return following is not None and following > moment

        await until(gone_on, True)

    async def jobs(self) -> list[str]:
        """Return the fire times of its jobs."""
        found = await self.kube.list(DeployJob, self.namespace)
        return sorted(job.spec.requested_by.name for job in found)

    async def change(self, **spec: Any) -> None:
        await self.kube.patch(Trigger, self.namespace, "nightly", {"spec": spec})


@pytest_asyncio.fixture
async def nightly(line: Timeline) -> Nightly:
    schedule = {"cron": "0 * * * *", "timeZone": "Asia/Kolkata"}
    params = {"replicas": "3"}
    return Nightly(line, await line.bench.declare("nightly", type="schedule", schedule=schedule, params=params))


async def test_it_fires_once_at_its_time_and_shows_the_next(line: Timeline, nightly: Nightly) -> None:
    due = await nightly.begins()
    assert due.minute == 30  # India is half an hour off
    assert await nightly.jobs() == []
    await nightly.leap(due + timedelta(seconds=5))
    await line.sweep()
    (job,) = await line.bench.kube.list(DeployJob, line.bench.namespace)
    assert job.name == keyed_job_id(nightly.id, "schedule", utc(due))
    said = job.spec.requested_by
    assert (said.kind, said.id, said.name) == ("schedule", "schedule", utc(due))
    assert (job.spec.workflow, job.spec.params, job.spec.ref) == ("deploy-prod", {"replicas": 3}, None)
    status = await nightly.status()
    assert (status.last_fire_at, status.next_fire_at, status.last_skipped_at) == (due, due + HOUR, None)
    await nightly.leap(due + HOUR)
    assert await nightly.jobs() == [utc(due), utc(due + HOUR)]


async def test_rest_shows_when_it_fires(line: Timeline, nightly: Nightly) -> None:
    due = await nightly.begins()

    async def shown() -> Any:
        answer = await line.bench.get(f"/triggers/{nightly.id}", token=line.bench.owner)
        return (answer.json()["scheduleStatus"] or {}).get("nextFireAt")

    await until(shown, utc(due))


async def test_a_fire_time_whose_status_was_never_written_runs_no_second_time(line: Timeline, nightly: Nightly) -> None:
    due = await nightly.begins()
    await nightly.leap(due + timedelta(seconds=1))
    # As if the replica had been killed after it made the job; and since then the agent is gone.
    await line.bench.kube.patch(Agent, line.bench.namespace, line.bench.agent_name, {"spec": {"revoked": True}})
    before = {"schedule": {"nextFireAt": utc(due), "lastFireAt": None}}
    await line.bench.kube.patch_status(Trigger, line.bench.namespace, "nightly", before)
    await nightly.leap(due + timedelta(seconds=10))
    status = await nightly.status()
    assert (await nightly.jobs(), status.last_fire_at, status.last_skipped_at) == ([utc(due)], due, None)


async def test_a_replica_and_its_successor_fire_each_time_once(
    line: Timeline, nightly: Nightly, settings: Settings
) -> None:
    due = await nightly.begins()
    async with served(settings, line.clock) as other:
        line.sleep((due + timedelta(seconds=1) - line.clock.now()).total_seconds())
        await asyncio.gather(line.sweep(), line.sweep())
        await line.sweep(other.context.desk)
        await nightly.leap(due + timedelta(seconds=2))
        assert await nightly.jobs() == [utc(due)]


async def test_missed_fire_times_are_skipped_or_the_latest_is_run(line: Timeline, nightly: Nightly) -> None:
    due = await nightly.begins()
    missed = due + 3 * HOUR
    await nightly.leap(missed + timedelta(minutes=10))
    status = await nightly.status()
    assert (await nightly.jobs(), status.last_fire_at) == ([], None)
    assert (status.last_skipped_at, status.last_skipped_code) == (missed, "missed_run")
    await nightly.change(schedule={"missedRuns": "latest"})

    async def latest() -> object:
        found = line.bench.replica.context.caches.triggers.get(line.bench.namespace, "nightly")
        return found and found.spec.schedule and found.spec.schedule.missed_runs

    await until(latest, "latest")
    await nightly.leap(missed + 4 * HOUR + timedelta(minutes=10))
    assert await nightly.jobs() == [utc(missed + 4 * HOUR)]


async def test_a_suspended_one_has_no_next_time_and_makes_up_for_nothing(line: Timeline, nightly: Nightly) -> None:
    due = await nightly.begins()
    await nightly.change(suspended=True, schedule={"missedRuns": "latest"})
    await until(nightly.next, None)
    line.sleep((due + HOUR - line.clock.now()).total_seconds())
    await line.sweep()
    await nightly.change(suspended=False)
    assert await nightly.begins() == due + 2 * HOUR
    assert await nightly.jobs() == []


async def test_without_its_agent_it_says_why_it_did_not_fire(line: Timeline, nightly: Nightly) -> None:
    due = await nightly.begins()
    await line.bench.kube.delete(Agent, line.bench.namespace, line.bench.agent_name)

    async def agent() -> object:
        return line.bench.replica.context.caches.agents.get(line.bench.namespace, line.bench.agent_name)

    await until(agent, None)
    await nightly.leap(due + timedelta(seconds=1))
    status = await nightly.status()
    assert (await nightly.jobs(), status.last_fire_at, status.last_skipped_at) == ([], None, due)
    assert status.last_skipped_code == "agent_unavailable"
    assert status.last_skipped_message == "The trigger's agent does not exist any more."


@pytest_asyncio.fixture
async def neighbour(line: Timeline, kube: KubeClient, people: People) -> AsyncIterator[Bench]:
    """Another organization on the same replica."""
    namespace = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, namespace)
    async with benched(kube, namespace, line.bench.replica, people, clock=line.clock.time) as bench:
        yield bench
    await delete_namespace(kube, namespace)


async def test_many_schedules_of_one_organization_hold_up_no_other(
    line: Timeline, nightly: Nightly, neighbour: Bench
) -> None:
    schedule, crowd = {"cron": "0 * * * *", "timeZone": "Asia/Kolkata"}, 60
    for number in range(crowd):
        await neighbour.declare(f"many-{number}", type="schedule", schedule=schedule)
    due = await nightly.begins()

    both = (neighbour.namespace, line.bench.namespace)

    async def planned() -> int:
        found = [one for namespace in both for one in await line.bench.kube.list(Trigger, namespace)]
        return sum(one.status.schedule is not None for one in found)

    await until(planned, crowd + 1)
    line.sleep((due + timedelta(seconds=1) - line.clock.now()).total_seconds())

    async def fired() -> list[str | None]:
        """Return the triggers whose jobs were made, in that order: nobody has touched the jobs since."""
        jobs = [one for namespace in both for one in await line.bench.kube.list(DeployJob, namespace)]
        return [one.spec.trigger for one in sorted(jobs, key=lambda one: int(one.metadata.resource_version or 0))]

    async def many() -> int:
        return len(await fired())

    await until(many, crowd + 1)
    assert (await fired()).index("nightly") < crowd // 2
    assert await nightly.jobs() == [utc(due)]


async def test_a_day_on_which_the_clock_changes(line: Timeline, nightly: Nightly) -> None:
    await nightly.change(schedule={"cron": "30 2 * * *", "timeZone": "Europe/Berlin"})

    async def changed() -> str:
        return (await nightly.status()).time_zone

    await nightly.begins()
    await until(changed, "Europe/Berlin")
    eve = datetime(line.clock.now().year + 1, 10, 20, 12, tzinfo=UTC)
    sunday = next(
        day
        for day in (datetime(eve.year, 10, 31, tzinfo=UTC) - timedelta(days=n) for n in range(7))
        if day.weekday() == 6
    )
    await nightly.leap(sunday - timedelta(hours=12))
    assert await nightly.next() == sunday + timedelta(minutes=30)
    await nightly.leap(sunday + timedelta(minutes=30, seconds=5))
    assert await nightly.next() == sunday + timedelta(days=1, hours=1, minutes=30)
    await nightly.leap(sunday + timedelta(hours=1, minutes=30, seconds=5))  # the same time on the wall
    assert await nightly.jobs() == [utc(sunday + timedelta(minutes=30))]


async def test_another_type_ends_it_and_a_wrong_schedule_never_fires(line: Timeline, nightly: Nightly) -> None:
    await nightly.begins()
    await nightly.change(type="manual", schedule=None)

    async def status() -> object:
        return (await nightly.trigger()).status.schedule

    await until(status, None)
    await nightly.change(type="schedule", schedule={"cron": "0 0 31 2 *"})

    async def cron() -> object:
        found = (await nightly.trigger()).status.schedule
        return found and (found.cron, found.next_fire_at)

    await until(cron, ("0 0 31 2 *", None))
    line.sleep(86_400)
    await line.sweep()
    assert await nightly.jobs() == []
