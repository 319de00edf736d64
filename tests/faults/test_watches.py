"""Watches that break, lie about the past or fall silent; a Kubernetes API that is slow or refuses."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import httpx
from aiohttp import web

from deplite.kube.client import KubeClient
from deplite.resources import (
    Agent,
    ApiToken,
    DeployJob,
    EnrollmentToken,
    Organization,
    Resource,
    SlackInstallation,
    Trigger,
)
from deplite.resources.credentials import describe
from deplite.resources.identifiers import object_id
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.httpproxy import Answer, Exchange
from tests.faults.ledger import Counters, Ledger
from tests.faults.stage import Stage
from tests.kube.jobs.conftest import agent_name

_JSON = {"Content-Type": "application/json"}
_SILENCE = 25
"""Seconds after which every part gives up a watch; the next change is acted on within 30."""


def _status(code: int, reason: str) -> bytes:
    return json.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    ).encode()


def _in_stream(code: int, reason: str) -> Answer:
    return Answer(status=200, body=b'{"type":"ERROR","object":%s}\n' % _status(code, reason), headers=_JSON)


async def _until(ask: Callable[[], Awaitable[bool]], seconds: float) -> float:
    """Wait until it is so; return how long that took."""
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(seconds):
        while not await ask():
            await asyncio.sleep(0.1)
    return asyncio.get_running_loop().time() - began


async def _declare(kube: KubeClient, stage: Stage, name: str, agent: str) -> None:
    """Declare a trigger, as Git would; the operator gives it a URL, the apiserver shows it."""
    spec = {"agent": agent, "workflow": "ledger"}
    metadata = {"name": name, "namespace": stage.organization}
    await kube.create(Trigger.model_validate({"metadata": metadata, "spec": spec}))


async def _acted_on(kube: KubeClient, stage: Stage, name: str) -> bool:
    """Whether both parts have seen a trigger."""
    found = await kube.get(Trigger, stage.organization, name)
    shown = await stage.ask("GET", "/triggers?limit=200")
    return bool(found.status.url) and any(one["name"] == name for one in shown)


async def _change_each_kind(kube: KubeClient, stage: Stage) -> None:
    """Declare one object more of each kind that the operator judges, and change the Organization."""
    specs: dict[type[Resource], dict[str, Any]] = {
        Agent: {},
        ApiToken: {"grants": [{"type": "agent", "agents": ["unheard"]}]},
        EnrollmentToken: {"label": "unheard"},
        SlackInstallation: {"teamId": "T0UNHEARD", "secretName": "unheard"},
    }
    for kind, spec in specs.items():
        metadata = {"name": "unheard", "namespace": stage.organization}
        await kube.create(kind.model_validate({"metadata": metadata, "spec": spec}))
    await kube.patch(Organization, stage.organization, "organization", {"spec": {"displayName": "Unheard"}})


async def _judged(kube: KubeClient, stage: Stage) -> bool:
    """Whether the operator has said something of every object as it is now."""
    kinds = (Organization, Agent, Trigger, ApiToken, EnrollmentToken, SlackInstallation)
    found = [one for kind in kinds for one in await kube.list(kind, stage.organization)]
    return all(one.status.observed_generation == one.metadata.generation for one in found)


async def _same_sets(kube: KubeClient, stage: Stage) -> bool:
    declared = {object_id("tr", *one.key) for one in await kube.list(Trigger, stage.organization)}
    return declared == {one["id"] for one in await stage.ask("GET", "/triggers?limit=200")}


class Breaks:
    """Breaks the next watches of some kinds in every given way, and the first lists at their second page."""

    def __init__(self, kinds: Iterable[str], faults: Iterable[Answer]) -> None:
        self.left = [(kind, fault) for kind in kinds for fault in faults]
        self.pages = 2

    async def __call__(self, exchange: Exchange) -> web.StreamResponse | None:
        if exchange.watches:
            hit = next((one for one in self.left if exchange.path.endswith(f"/{one[0]}")), None)
            if hit is None:
                return None
            self.left.remove(hit)
            return await exchange.say(hit[1])
        if "continue" in exchange.query and self.pages:
            self.pages -= 1
            return await exchange.say(Answer(status=410, body=_status(410, "Expired"), headers=_JSON))
        if exchange.query.get("limit") == "500":
            exchange.query = dict(exchange.query) | {"limit": "5"}
        return None


_OPERATED = ("organizations", "agents", "triggers", "apitokens", "enrollmenttokens", "slackinstallations")
_KINDS = (*_OPERATED, "deployjobs", "storedfiles")
_GONE = (_in_stream(410, "Expired"), Answer(status=410, body=_status(410, "Expired"), headers=_JSON))
_ERRORS = (_in_stream(500, "InternalError"), _in_stream(429, "TooManyRequests"))


async def test_f25_the_past_is_gone(stage: Stage, kube: KubeClient, crew: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(stage, await crew.add())
    ledger.open("print")
    await caller.run_many(20, lines=100, pause="0.1", gated=True)
    await caller.in_flight(ledger, 20)
    before = {part: stage.restarts(part) for part in ("apiserver", "operator")}
    agent = await agent_name(kube, stage.organization, crew.agents[0].agent_id)
    # kopf ends by design at any error of a watch but 410, and the operator with it: one of them, one start.
    breaks = {"apiserver": Breaks(_KINDS, _GONE + _ERRORS), "operator": Breaks(_OPERATED, _GONE[:1])}
    breaks["operator"].left.append(("triggers", _ERRORS[0]))
    for part, proxy in stage.kube_of.items():
        proxy.fault = breaks[part]
        proxy.cut_watches()
    await caller.run_many(5)
    for number in range(6):
        await _declare(kube, stage, f"gone-{number}", agent)
    await kube.delete(Trigger, stage.organization, "gone-0")
    print("sets equal after", await _until(lambda: _same_sets(kube, stage), 120))
    print("acted on after", await _until(lambda: _acted_on(kube, stage, "gone-5"), 120))
    await _until(lambda: _spent(breaks), 60)
    ledger.open("end")
    stage.heal()
    assert await caller.settle(ledger) == Counters()
    assert stage.restarts("apiserver") == before["apiserver"]
    assert stage.restarts("operator") - before["operator"] <= 1
    await caller.close()


async def _spent(breaks: Mapping[str, Breaks]) -> bool:
    """Whether every fault has happened."""
    return not any(one.left for one in breaks.values())


async def test_f26_a_silent_watch_is_given_up(stage: Stage, kube: KubeClient, crew: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(stage, await crew.add())
    ledger.open("print")
    await caller.run_many(20, lines=200, pause="0.1", gated=True)
    await caller.in_flight(ledger, 20)
    before = {part: stage.restarts(part) for part in ("apiserver", "operator")}
    for proxy in stage.kube_of.values():
        proxy.mute_watches()
    await caller.run_many(5)
    agent = await agent_name(kube, stage.organization, crew.agents[0].agent_id)
    await _change_each_kind(kube, stage)
    await _declare(kube, stage, "unheard", agent)
    print("acted on after", await _until(lambda: _acted_on(kube, stage, "unheard"), _SILENCE + 60))
    print("all judged after", await _until(lambda: _judged(kube, stage), _SILENCE + 60))
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    assert before == {part: stage.restarts(part) for part in ("apiserver", "operator")}
    await caller.close()


async def test_f30_a_kubernetes_api_that_is_late_or_refuses(
    stage: Stage, kube: KubeClient, crew: Fleet, ledger: Ledger
) -> None:
    caller = await Caller.for_agent(stage, await crew.add())
    ledger.open("print")
    await caller.run_many(20, lines=150, pause="0.1", gated=True)
    await caller.in_flight(ledger, 20)

    async def late(exchange: Exchange) -> web.StreamResponse | None:
        await asyncio.sleep(5)
        return None

    async def refused(exchange: Exchange) -> web.StreamResponse | None:
        return await exchange.say(
            Answer(status=429, body=_status(429, "TooManyRequests"), headers=_JSON | {"Retry-After": "1"})
        )

    running = []
    for fault in (refused, late):
        for proxy in stage.kube_of.values():
            proxy.fault = fault
            proxy.cut_watches()
            proxy.asked.clear()
        running.append(asyncio.create_task(caller.run_many(3, at_once=1, lines=3)))
        await asyncio.sleep(7)
        rates = {part: sum(proxy.asked.values()) / 7 for part, proxy in stage.kube_of.items()}
        print("requests a second:", rates)
        assert max(rates.values()) <= 10
    stage.heal()
    await asyncio.gather(*running)
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    jobs = await kube.list(DeployJob, stage.organization)
    triggers = {job.spec.trigger for job in jobs if job.name in caller.acknowledged}
    assert {job.name for job in jobs if job.spec.trigger in triggers} == set(caller.acknowledged)
    await caller.close()


async def test_f36_what_is_taken_back_while_no_watch_stands_is_not_used(
    stage: Stage, kube: KubeClient, crew: Fleet
) -> None:
    caller = await Caller.for_agent(stage, await crew.add())
    await caller.run(lines="1")
    refused: Counter[str] = Counter()

    async def unwatched(exchange: Exchange) -> web.StreamResponse | None:
        if not exchange.watches:
            return None
        refused[exchange.path.rpartition("/")[2]] += 1
        return await exchange.say(Answer(status=500, body=_status(500, "InternalError"), headers=_JSON))

    proxy = stage.kube_of["apiserver"]
    proxy.fault = unwatched
    proxy.cut_watches()
    await _until(lambda: _holds(all(refused[one] > 1 for one in _KINDS[1:])), 60)
    await caller.run(lines="1")
    # As another replica would: this one learns of it by nothing but its watches.
    triggers = await kube.list(Trigger, stage.organization)
    (trigger,) = [one for one in triggers if object_id("tr", *one.key) == caller.trigger]
    await kube.patch(Trigger, *trigger.key, {"spec": {"suspended": True}})
    assert (await _run(caller)).json()["code"] == "trigger_suspended"
    sha256 = describe(caller.http.headers["Authorization"].removeprefix("Bearer ")).sha256
    tokens = await kube.list(ApiToken, stage.organization)
    (token,) = [one for one in tokens if any(known.sha256 == sha256 for known in one.status.hashes)]
    await kube.delete(ApiToken, *token.key)
    assert (await _run(caller)).status_code == 401
    stage.heal()
    await caller.close()


async def _run(caller: Caller) -> httpx.Response:
    return await caller.ask("POST", f"/triggers/{caller.trigger}/run", None, {"ref": "main"})


async def _holds(condition: bool) -> bool:
    return condition
