"""Owners are told of enrolments, and no enrolment waits for that."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deplite.kube.errors import AlreadyExistsError, ForbiddenError, UnavailableError
from deplite.kube.event import Event
from deplite.resources import EnrollmentToken
from deplite.resources.resource import Resource
from deplite_apiserver.enrollment.notices import MAX_WAITING, Notices
from tests.unit.apiserver.enrollment.pools import pool, pool_agent
from tests.unit.apiserver.jobs.builders import NOW, agent, meta

SHA = "0123456789abcdef" * 4


def code(**spec: Any) -> EnrollmentToken:
    status = {"hash": "f" * 64, "prefix": "enr_Jx3kQm"}
    return EnrollmentToken.model_validate({"metadata": meta("code"), "spec": spec, "status": status})


class Cluster:
    """An API server that fails in turn as it is told to, and then takes everything."""

    def __init__(self) -> None:
        self.fails: list[Exception] = []
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def tell(self, about: Resource, event: Event) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.told.put_nowait(event.body(about))


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest_asyncio.fixture
async def notices(cluster: Cluster) -> AsyncIterator[Notices]:
    made = Notices(cluster, lambda: NOW)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


def enrolled(notices: Notices, source: str = "203.0.113.9", *, replaces: bool = False, **spec: Any) -> None:
    notices.enrolled(agent(hostname="h\n1"), code(**spec), key_sha256=SHA, source=source, replaces=replaces)


async def test_it_says_who_with_what_and_from_where(cluster: Cluster, notices: Notices) -> None:
    enrolled(notices, label="prod\x1b[2J")
    told = await cluster.told.get()
    assert (told["type"], told["reason"], told["lastTimestamp"]) == ("Normal", "Enrolled", "2026-05-31T13:42:18Z")
    assert (told["involvedObject"]["kind"], told["involvedObject"]["name"]) == ("Agent", "web")
    assert told["message"] == (
        "Code enr_Jx3kQm… (prod?[2J) was spent from 203.0.113.9 as host h?1; key 0123456789abcdef is the agent's."
    )


async def test_a_key_that_replaces_another_one_is_a_warning(cluster: Cluster, notices: Notices) -> None:
    enrolled(notices, replaces=True)
    told = await cluster.told.get()
    assert (told["type"], told["reason"]) == ("Warning", "KeyReplaced")
    assert told["message"].endswith("key 0123456789abcdef replaces the one that the agent had.")


async def test_a_repeat_has_the_same_name(cluster: Cluster, notices: Notices) -> None:
    enrolled(notices)
    enrolled(notices, "198.51.100.1")
    names = [(await cluster.told.get())["metadata"]["name"] for _ in range(2)]
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        ([UnavailableError("away"), UnavailableError("away")], 2),
        ([UnavailableError("away"), AlreadyExistsError("there")], 1),
        ([ForbiddenError("no right")], 1),
        ([RuntimeError("nobody foresaw it")], 1),
    ],
    ids=repr,
)
async def test_what_fails_is_tried_again_or_left_and_the_next_is_told(
    cluster: Cluster, notices: Notices, fails: list[Exception], told: int
) -> None:
    cluster.fails = fails
    enrolled(notices)
    enrolled(notices, replaces=True)
    reasons = [(await cluster.told.get())["reason"] for _ in range(told)]
    assert reasons == ["Enrolled", "KeyReplaced"][-told:]


async def test_nobody_waits_while_nothing_is_told_and_what_is_too_much_is_logged(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    notices = Notices(cluster, lambda: NOW)  # which never runs
    with caplog.at_level(logging.WARNING):
        for _ in range(MAX_WAITING + 1):
            enrolled(notices)
    assert [getattr(record, "action", None) for record in caplog.records] == ["enrolment_untold"]
    await notices.close()
    assert cluster.told.empty()


async def test_a_pod_that_enrolled_is_told_once_for_each_key(cluster: Cluster, notices: Notices) -> None:
    mine = pool_agent(pod={"name": "web-agents-p1", "uid": "p1", "node": "node-1"})
    for sha256 in (SHA, SHA, SHA[::-1]):
        notices.pod_enrolled(mine, pool(), key_sha256=sha256, source="10.244.1.7")
    told = [await cluster.told.get() for _ in range(3)]
    assert (told[0]["type"], told[0]["reason"]) == ("Normal", "Enrolled")
    assert told[0]["message"] == (
        "Pod web-agents-p1 of the pool web enrolled from 10.244.1.7; key 0123456789abcdef is the agent's."
    )
    names = [one["metadata"]["name"] for one in told]
    assert names[0] == names[1] != names[2]
