"""Whose schedule comes next, and whom a failure holds up."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from deplite.kube.errors import ForbiddenError, UnavailableError
from deplite.resources import Trigger
from deplite_apiserver.jobs.run import Call, Run
from deplite_apiserver.sweeper.schedules import AT_ONCE, OF_EACH, Schedules
from tests.unit.apiserver.jobs.builders import job, meta

NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
LATE = NOON.replace(second=5)
HOURLY = {"cron": "0 * * * *", "timeZone": "UTC"}


class Cluster:
    """Triggers, those that cannot be fired by name, and who was fired in which order."""

    held = True

    def __init__(self, **organizations: int) -> None:
        self.triggers = {
            (namespace, f"{namespace}-{number}"): due(namespace, f"{namespace}-{number}")
            for namespace, many in organizations.items()
            for number in range(many)
        }
        self.broken: dict[str, Exception] = {}
        self.fired: list[str] = []
        self.tried: list[str] = []
        self.at_once = self.most_at_once = 0
        self.schedules = Schedules(
            lease=self,
            store=cast(Any, self),
            triggers=cast(Any, self),
            agents=cast(Any, {}),
            runs=self,
            now=lambda: LATE,
        )

    def by(self, index: str, key: object) -> list[Trigger]:
        return list(self.triggers.values())

    def note(self, trigger: Trigger) -> None:
        self.triggers[trigger.key] = trigger

    async def get(self, kind: type[Trigger], namespace: str, name: str) -> Trigger:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        return self.triggers[namespace, name]

    async def start(self, call: Call) -> Run:
        name = call.facts.trigger.name
        self.tried.append(name)
        if name in self.broken:
            self.at_once -= 1
            raise self.broken[name]
        self.fired.append(name)
        return Run(job=job())

    async def patch_status(
        self, kind: type[Trigger], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Trigger:
        self.at_once -= 1
        return Trigger.model_validate(self.triggers[namespace, name].wire() | {"status": dict(body)})


def due(namespace: str, name: str) -> Trigger:
    status = {"schedule": HOURLY | {"nextFireAt": "2026-05-31T12:00:00Z"}}
    spec = {"agent": "web", "workflow": "w", "type": "schedule", "schedule": HOURLY}
    metadata = meta(name) | {"namespace": namespace}
    return Trigger.model_validate({"metadata": metadata, "spec": spec, "status": status})


async def test_each_fires_once_and_organizations_take_turns() -> None:
    cluster = Cluster(big=3 * OF_EACH, small=2, one=1)
    await cluster.schedules.round()
    assert len(cluster.fired) == len(set(cluster.fired)) == 3 * OF_EACH + 3
    assert set(cluster.fired[:6]) >= {"small-0", "small-1", "one-0"}
    assert 1 < cluster.most_at_once <= AT_ONCE
    await cluster.schedules.round()
    assert len(cluster.fired) == 3 * OF_EACH + 3


async def test_what_becomes_due_meanwhile_does_not_wait_for_the_rest_of_others() -> None:
    cluster = Cluster(big=4 * OF_EACH)
    rounds = asyncio.create_task(cluster.schedules.round())
    while len(cluster.fired) < OF_EACH // 2:
        await asyncio.sleep(0)
    newcomer = due("late", "late-0")
    cluster.triggers[newcomer.key] = newcomer
    await rounds
    assert cluster.fired.index("late-0") <= OF_EACH + AT_ONCE


@pytest.mark.parametrize("error", [ForbiddenError("no right"), RuntimeError("nobody foresaw it")], ids=repr)
async def test_one_that_fails_holds_up_no_other(error: Exception) -> None:
    cluster = Cluster(a=3, b=3)
    cluster.broken = {"a-0": error, "b-0": error}
    await cluster.schedules.round()
    assert sorted(cluster.fired) == ["a-1", "a-2", "b-1", "b-2"]
    cluster.broken = {}
    await cluster.schedules.round()
    assert len(cluster.fired) == 6


async def test_while_the_api_server_is_away_one_try_a_round_is_all_it_is_asked() -> None:
    cluster = Cluster(a=20, b=20)
    cluster.broken = dict.fromkeys((name for _, name in cluster.triggers), UnavailableError("away"))
    for tries in (1, 2, 3):
        with pytest.raises(UnavailableError):
            await cluster.schedules.round()
        assert len(cluster.tried) == tries
    cluster.broken = {}
    await cluster.schedules.round()
    assert len(cluster.fired) == 40


async def test_those_for_which_the_api_server_fails_come_last() -> None:
    cluster = Cluster(a=10, b=10)
    cluster.broken = dict.fromkeys(("a-0", "a-1", "b-0"), UnavailableError("it is about this one"))
    for _ in range(4):  # one for each that is found out to be broken, then one that all others go through
        with pytest.raises(UnavailableError):
            await cluster.schedules.round()
    assert len(cluster.fired) == 17
    cluster.broken = {}
    await cluster.schedules.round()
    assert len(cluster.fired) == 20


async def test_without_the_lease_nothing_fires() -> None:
    cluster = Cluster(a=3)
    cluster.held = False
    await cluster.schedules.round()
    assert cluster.fired == []
