"""Runs by idempotency key against a model: one job a key, whatever process is asked, and replays cost nothing."""

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from deplite.kube.errors import AlreadyExistsError, NotFoundError
from deplite.resources import ApiToken, DeployJob
from deplite.resources.deployjob import Requester
from deplite.resources.identifiers import object_id
from deplite.resources.resource import Resource
from deplite_apiserver.edge.body import json_value, validated
from deplite_apiserver.errors import ApiError, ConflictError, RateLimitedError, UnavailableError
from deplite_apiserver.jobs.accept import Facts
from deplite_apiserver.jobs.idempotency import fingerprint_of, usable_key
from deplite_apiserver.jobs.recent import Recent
from deplite_apiserver.jobs.request import RunRequest
from deplite_apiserver.jobs.run import LOOKUPS_PER_SECOND, Asked, Call, Run, Runs
from deplite_apiserver.jobs.unsettled import Unsettled
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.jobs.waiters import Waiters
from deplite_apiserver.limits.memory import MemoryLimiter
from deplite_apiserver.metrics.metrics import Metrics
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import NOW, agent, meta, trigger
from tests.unit.apiserver.settling import settled

LIMIT = 2
BODIES = [
    ['{"ref":"main"}', '{ "ref" : "main" }', '{"r\\u0065f":"main"}'],
    ['{"ref":"main","params":{"a":1,"b":"x"}}', '{"params":{"b":"x","a":1.0},"ref":"main"}'],
    ['{"ref":"dev"}'],
    ['{"ref":"main","params":{"a":"1","b":"x"}}'],
]
"""Each row is one request in several spellings."""


class Cluster:
    """The API server's part: names are unique, objects come and go."""

    def __init__(self) -> None:
        self.jobs: dict[str, DeployJob] = {}
        self.created = self.asked = 0

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        self.asked += 1
        if name not in self.jobs:
            raise NotFoundError("gone")
        return self.jobs[name]

    async def create(self, resource: DeployJob) -> DeployJob:
        if resource.name in self.jobs:
            raise AlreadyExistsError("there")
        self.created += 1
        uid = f"{self.created:08x}-0000-4000-8000-000000000000"
        stamped = resource.metadata.model_copy(update={"uid": uid, "creation_timestamp": NOW})
        self.jobs[resource.name] = resource.model_copy(update={"metadata": stamped})
        return self.jobs[resource.name]


class Known:
    """What one process has heard of: its own writes, and what a watch brought."""

    def __init__(self) -> None:
        self.views: dict[tuple[str, str], JobView] = {}

    def get(self, namespace: str, name: str) -> JobView | None:
        return self.views.get((namespace, name))

    def subscribe(self, callback: Callable[..., None]) -> object:
        return callback

    def note(self, resource: Resource) -> None:
        self.views[resource.key] = project(resource.wire())


def token(name: str) -> ApiToken:
    spec = {"grants": [{"type": "agent", "agents": ["web"]}], "rateLimit": {"perDay": LIMIT}}
    return ApiToken.model_validate({"metadata": meta(name), "spec": spec})


TOKENS = {name: token(name) for name in ("ci", "dashboard")}


class Keys(RuleBasedStateMachine):
    """Callers, keys and bodies; the model is a dictionary of what each key was first used for."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster: Cluster = Cluster()
        self.clock = StillClock()
        self.limiter = MemoryLimiter(self.clock)
        self.used: dict[tuple[str, str, str], tuple[int, str]] = {}
        self.counts = dict.fromkeys(TOKENS, 0)
        self.starts()

    @rule()
    def the_process_starts_anew(self) -> None:
        self.starts()

    def starts(self, *, admits: bool = True, monotonic: Callable[[], float] | None = None) -> None:
        """Begin with a process that knows no job yet; between any two looks at its clock a second passes."""
        self.known = Known()
        self.unsettled = Unsettled(store=self.cluster, give_back=self.limiter.give_back, monotonic=self.clock.monotonic)
        self.runs = Runs(
            store=self.cluster,
            jobs=self.known,
            limiter=self.limiter,
            unsettled=self.unsettled,
            waiters=Waiters(self.known),
            recent=Recent(),
            room=lambda organization: None,
            sync_seconds=1,
            monotonic=monotonic or itertools.count().__next__,
            metrics=Metrics(),
        )
        if admits:
            self.runs.admit()

    @rule()
    def its_watch_catches_up(self) -> None:
        self.known.views = {}
        for job in self.cluster.jobs.values():
            self.known.note(job)

    @rule(data=st.data())
    def a_job_goes_after_its_time(self, data: Any) -> None:
        if self.cluster.jobs:
            names = list(self.cluster.jobs)  # in their order of creation: the names themselves are random
            name = names[data.draw(st.integers(0, len(names) - 1))]
            del self.cluster.jobs[name]
            self.used = {use: made for use, made in self.used.items() if made[1] != name}

    @rule()
    def a_day_passes(self) -> None:
        self.clock.advance(86_400)
        self.counts = dict.fromkeys(TOKENS, 0)

    @rule(
        name=st.sampled_from(["deploy", "rollback"]),
        caller=st.sampled_from(sorted(TOKENS)),
        key=st.sampled_from([None, "a", "b"]),
        row=st.integers(0, len(BODIES) - 1),
        data=st.data(),
    )
    def somebody_runs(self, name: str, caller: str, key: str | None, row: int, data: Any) -> None:
        text = data.draw(st.sampled_from(BODIES[row]))
        known = None if key is None else self.used.get((name, caller, key))
        if known is not None and known[0] != row:
            with pytest.raises(ConflictError):
                self.run(name, caller, key, text)
        elif known is not None:
            ran = self.run(name, caller, key, text)
            assert (ran.job.name, ran.idempotent) == (known[1], True)
        elif self.counts[caller] >= LIMIT:
            with pytest.raises(RateLimitedError):
                self.run(name, caller, key, text)
        else:
            before = set(self.cluster.jobs)
            ran = self.run(name, caller, key, text)
            assert not ran.idempotent
            assert set(self.cluster.jobs) - before == {ran.job.name}
            self.counts[caller] += 1
            if key is not None:
                self.used[name, caller, key] = (row, ran.job.name)

    @rule(data=st.data())
    def somebody_repeats(self, data: Any) -> None:
        if self.used:
            uses = list(self.used)
            name, caller, key = uses[data.draw(st.integers(0, len(uses) - 1))]
            row, job_id = self.used[name, caller, key]
            ran = self.run(name, caller, key, data.draw(st.sampled_from(BODIES[row])))
            assert (ran.job.name, ran.idempotent) == (job_id, True)

    def run(self, name: str, caller: str, key: str | None, text: str) -> Run:
        return settled(self.as_foretold(self.asked(name, caller, key, text)))

    async def call(self, name: str, caller: str, key: str | None, text: str) -> Run:
        return await self.runs.run(self.asked(name, caller, key, text))

    def asked(self, name: str, caller: str, key: str | None, text: str) -> Call:
        made = trigger(ref=None)
        facts = Facts(
            trigger=made.model_copy(update={"metadata": made.metadata.model_copy(update={"name": name})}),
            agent=agent(),
            requester=Requester(kind="token", id=object_id("tok", *TOKENS[caller].key), name=caller),
            grants=TOKENS[caller].spec.grants,
            manual=False,
        )
        asked = Asked(request=validated(RunRequest, json_value(text.encode())), key=key)
        return Call(facts=facts, token=TOKENS[caller], read=lambda: asked)

    async def as_foretold(self, call: Call) -> Run:
        """Run; what comes of it is what a dry run said just before."""
        foretold = await self.runs.foretell(call)
        if (told := foretold.refusal) is not None:
            with pytest.raises(ApiError) as caught:
                await self.runs.run(call)
            assert (told.code, told.retry_after) == (caught.value.code, caught.value.retry_after)
            raise caught.value
        ran = await self.runs.run(call)
        assert foretold.idempotent is ran.idempotent
        assert foretold.job is not None
        assert foretold.job.spec == ran.job.spec
        return ran


def test_no_run_is_accepted_before_the_windows_know_of_earlier_ones() -> None:
    machine = Keys()
    machine.starts(admits=False)
    with pytest.raises(UnavailableError):
        machine.run("deploy", "ci", None, BODIES[0][0])
    assert machine.cluster.jobs == {}


class Slow(Cluster):
    """An API server that creates nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def create(self, resource: DeployJob) -> DeployJob:
        await self.goes_on.wait()
        return await super().create(resource)


async def test_repeats_that_come_at_once_hold_one_place_in_the_windows() -> None:
    machine = Keys()
    cluster = machine.cluster = Slow()
    machine.starts()
    tasks = [asyncio.create_task(machine.call("deploy", "ci", "a", BODIES[0][0])) for _ in range(3 * LIMIT)]
    await asyncio.sleep(0.01)
    cluster.goes_on.set()
    ran = await asyncio.gather(*tasks)
    assert len({one.job.name for one in ran}) == 1
    assert sorted(one.idempotent for one in ran) == [False] + [True] * (3 * LIMIT - 1)
    for _ in range(LIMIT - 1):
        await machine.call("deploy", "ci", None, BODIES[0][0])
    with pytest.raises(RateLimitedError):
        await machine.call("deploy", "ci", None, BODIES[0][0])


def test_a_repeat_that_only_the_cluster_knows_of_costs_nothing() -> None:
    machine = Keys()
    first = machine.run("deploy", "ci", "a", BODIES[0][0])
    for _ in range(3 * LIMIT):
        machine.starts()
        assert machine.run("deploy", "ci", "a", BODIES[0][1]).job.name == first.job.name
    for _ in range(LIMIT - 1):
        machine.run("deploy", "ci", None, BODIES[0][0])
    with pytest.raises(RateLimitedError):
        machine.run("deploy", "ci", None, BODIES[0][0])


def test_new_keys_over_the_limit_ask_the_cluster_a_few_times_a_second_for_each_token() -> None:
    machine = Keys()
    known = machine.run("deploy", "ci", "a", BODIES[0][0])
    unheard_of = machine.run("deploy", "ci", "b", BODIES[0][0])
    machine.starts(monotonic=machine.clock.monotonic)  # another process, whose watch has brought the first one only
    machine.known.note(known.job)

    async def over_the_limit(caller: str, key: str) -> None:
        with pytest.raises(RateLimitedError):
            await machine.call("deploy", caller, key, BODIES[0][0])

    for second in range(2):
        asked = machine.cluster.asked
        assert settled(machine.call("deploy", "ci", "b", BODIES[0][0])).job.name == unheard_of.job.name
        machine.known.views.pop(unheard_of.job.key)
        for number in range(4 * LOOKUPS_PER_SECOND):
            settled(over_the_limit("ci", f"{second} {number}"))
        assert machine.cluster.asked - asked == LOOKUPS_PER_SECOND
        assert settled(machine.call("deploy", "ci", "a", BODIES[0][0])).job.name == known.job.name
        machine.clock.advance(1)


TestKeys = Keys.TestCase
TestKeys.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("row", BODIES)
def test_spellings_of_one_request_have_one_fingerprint_and_others_another(row: list[str]) -> None:
    prints = {fingerprint_of(json.loads(text)) for text in row}
    others = {fingerprint_of(json.loads(text)) for other in BODIES if other is not row for text in other}
    assert len(prints) == 1
    assert not prints & others


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 0.5}, {"a": "0.5"}), ({"a": 2**60}, {"a": str(2**60)}), ({"a": 2**60}, {"a": 2.0**60}), ({}, {"a": {}})],
)
def test_what_differs_has_another_fingerprint(one: Any, other: Any) -> None:
    assert fingerprint_of(one) != fingerprint_of(other)


@pytest.mark.parametrize(
    ("values", "usable"),
    [
        (["k"], True),
        (["x" * 255], True),
        (["a b:~!"], True),
        ([], False),
        ([""], False),
        ([" "], False),
        (["x" * 256], False),
        (["a\tb"], False),
        (["a\x7f"], False),
        (["é"], False),
        (["a", "a"], False),
    ],
)
def test_a_key_is_one_header_of_visible_characters(values: list[str], usable: bool) -> None:
    assert usable_key(values) is usable
