"""Pods' tokens: what the Kubernetes API says counts, it is asked at a pace, and what it cannot say is no yes."""

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from deplite.kube.errors import ForbiddenError, KubeError, UnavailableError
from deplite.kube.tokenreview import TokenReview, answer_from, question
from deplite.resources import Agent, AgentPool
from deplite_apiserver.auth.podtoken import (
    REVIEWS_OF_ONE_ADDRESS,
    REVIEWS_OF_ONE_ORGANIZATION,
    REVIEWS_PER_SECOND,
    PodTokens,
)
from deplite_apiserver.errors import ApiError, InvalidEnrollTokenError, PodReplacedError, WrongCredentialError
from deplite_apiserver.errors import UnavailableError as ApiUnavailableError
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.enrollment.pools import ACCOUNT_UID, NODE, bound, claims, jwt, pool, pool_agent
from tests.unit.apiserver.jobs.builders import NAMESPACE, NOW

TOKEN = jwt(claims())
EXTRA = {"pod-name": ("web-agents-p1",), "pod-uid": ("p1",), "node-name": (NODE,), "node-uid": ("n1",)}
GOOD = TokenReview(
    authenticated=True,
    username=f"system:serviceaccount:{NAMESPACE}:web-agents",
    uid=ACCOUNT_UID,
    extra={f"authentication.kubernetes.io/{key}": value for key, value in EXTRA.items()},
    error="",
)


@dataclass
class Agents:
    """The cache of agents, with one in it or none."""

    one: Agent | None = None

    def get(self, namespace: str, name: str) -> Agent | None:
        return self.one if self.one is not None and self.one.key == (namespace, name) else None


@dataclass
class Cluster:
    """Reviewer and caches in one."""

    says: TokenReview | KubeError = GOOD
    pools: "Cluster" = field(init=False)
    known: dict[tuple[str, str], AgentPool] = field(default_factory=lambda: {(NAMESPACE, "web"): pool()})
    later: dict[tuple[str, str], AgentPool] = field(default_factory=dict)
    """What a cache that lags gets to know once somebody asks."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    agents: Agents = field(default_factory=Agents)

    def __post_init__(self) -> None:
        self.pools = self

    async def review_token(self, token: str, audience: str) -> TokenReview:
        self.asked.append((token, audience))
        if isinstance(self.says, KubeError):
            raise self.says
        return self.says

    def get(self, namespace: str, name: str) -> AgentPool | None:
        return self.known.get((namespace, name))

    async def find(self, _: Any, look: Any) -> Any:
        if (found := look()) is not None:
            return found
        self.known |= self.later
        return look()


def tokens(cluster: Cluster, clock: StillClock | None = None) -> PodTokens:
    return PodTokens(cluster, cluster, clock or StillClock(NOW))  # type: ignore[arg-type]


async def outcome(cluster: Cluster, token: str = TOKEN) -> type[ApiError] | None:
    try:
        await tokens(cluster).verify(token, address="10.244.1.7")
    except ApiError as error:
        return type(error)
    return None


async def test_a_pod_of_a_pool_is_who_the_kubernetes_api_says() -> None:
    cluster = Cluster()
    caller = await tokens(cluster).verify(TOKEN, address="10.244.1.7")
    assert (caller.pool.name, caller.pod.name, caller.pod.uid, caller.pod.node) == ("web", "web-agents-p1", "p1", NODE)
    assert cluster.asked == [(TOKEN, "deplite-agent")]


async def test_what_the_token_says_of_pod_and_node_counts_for_nothing() -> None:
    token = jwt(claims(**{"kubernetes.io": bound(pod={"name": "x", "uid": "other"}, node={"name": "other"})}))
    caller = await tokens(Cluster()).verify(token, address="")
    assert (caller.pod.uid, caller.pod.node) == ("p1", NODE)


def without(key: str) -> TokenReview:
    return replace(GOOD, extra={name: value for name, value in GOOD.extra.items() if not name.endswith(key)})


@pytest.mark.parametrize(
    "review",
    [
        replace(GOOD, authenticated=False),
        replace(GOOD, username=f"system:serviceaccount:{NAMESPACE}:other-agents"),
        replace(GOOD, username="system:serviceaccount:org-other:web-agents"),
        replace(GOOD, uid="another account of that name"),
        replace(GOOD, uid=""),
        replace(GOOD, extra={}),
        replace(GOOD, extra={key: (*value, "second") for key, value in GOOD.extra.items()}),
        without("pod-name"),
        without("pod-uid"),
        without("node-name"),
    ],
)
async def test_what_is_no_pod_of_the_pool(review: TokenReview) -> None:
    assert await outcome(Cluster(says=review)) is InvalidEnrollTokenError


async def test_a_pod_that_was_replaced_is_told_so_also_when_its_token_is_not_good_any_more() -> None:
    gone = replace(GOOD, authenticated=False, error="service account token has been invalidated")
    replaced = Agents(pool_agent(replacedPods=["p0", "p1"]))
    assert await outcome(Cluster(says=gone, agents=replaced)) is PodReplacedError
    for agents in (Agents(), Agents(pool_agent(replacedPods=["p0"]))):
        assert await outcome(Cluster(says=gone, agents=agents)) is InvalidEnrollTokenError
    elsewhere = jwt(claims(**{"kubernetes.io": bound(node={"name": "other", "uid": "n2"})}))
    assert await outcome(Cluster(says=gone, agents=replaced), elsewhere) is InvalidEnrollTokenError


@pytest.mark.parametrize(
    "known",
    [
        None,
        pool(account=None),
        pool(account="another"),
        pool(deletionTimestamp="2026-05-31T13:42:18Z"),
    ],
    ids=["none", "none made yet", "another account", "being deleted"],
)
async def test_the_kubernetes_api_is_not_asked_where_no_pool_has_the_account(known: AgentPool | None) -> None:
    cluster = Cluster(known={(NAMESPACE, "web"): known} if known else {})
    assert await outcome(cluster) is InvalidEnrollTokenError
    assert cluster.asked == []


async def test_a_pool_and_an_account_that_are_news_are_found() -> None:
    for known in ({}, {(NAMESPACE, "web"): pool(account="the one before")}):
        assert await outcome(Cluster(known=known, later={(NAMESPACE, "web"): pool()})) is None


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("x", WrongCredentialError),
        (jwt(claims(aud=["deplite"])), WrongCredentialError),
        (jwt(claims(exp=NOW.timestamp() - 3600)), InvalidEnrollTokenError),
        (jwt(claims(sub="system:serviceaccount:default:default")), InvalidEnrollTokenError),
    ],
)
async def test_cheap_reasons_cost_no_question(token: str, kind: type[ApiError]) -> None:
    cluster = Cluster()
    assert await outcome(cluster, token) is kind
    assert cluster.asked == []


@pytest.mark.parametrize("error", [UnavailableError("away"), ForbiddenError("no right", status=403)])
async def test_what_cannot_be_told_is_503_and_no_yes(error: KubeError) -> None:
    with pytest.raises(ApiUnavailableError) as caught:
        await tokens(Cluster(says=error)).verify(TOKEN, address="")
    assert caught.value.retry_after


def of(namespace: str) -> str:
    """Return a token of a pod of the same pool in another organization."""
    return jwt(claims(sub=f"system:serviceaccount:{namespace}:web-agents"))


async def test_a_flood_costs_the_kubernetes_api_no_more_than_the_pace() -> None:
    namespaces = [f"org-{number}" for number in range(10)]
    cluster = Cluster(
        says=replace(GOOD, authenticated=False), known={(namespace, "web"): pool() for namespace in namespaces}
    )
    clock, outcomes = StillClock(NOW), Counter[str]()
    verifier = tokens(cluster, clock)
    for second in range(3):
        for number in range(1000):
            try:
                await verifier.verify(of(namespaces[number % 10]), address=f"192.0.2.{number % 100}")
            except ApiError as error:
                outcomes[error.code] += 1
        assert len(cluster.asked) == REVIEWS_PER_SECOND * (second + 1)
        clock.advance(1.0)
    assert outcomes == {"invalid_enroll_token": 3 * REVIEWS_PER_SECOND, "unavailable": 3000 - 3 * REVIEWS_PER_SECOND}


async def test_a_flood_from_one_address_leaves_room_for_others() -> None:
    cluster = Cluster()
    verifier = tokens(cluster)
    refused = 0
    for number in range(200):
        try:
            await verifier.verify(TOKEN, address=f"2001:db8::{number:x}")  # one network, so one caller
        except ApiUnavailableError:
            refused += 1
    assert refused == 200 - REVIEWS_OF_ONE_ADDRESS
    await verifier.verify(TOKEN, address="10.244.1.7")
    assert len(cluster.asked) == REVIEWS_OF_ONE_ADDRESS + 1


async def test_a_flood_from_one_organization_leaves_room_for_others() -> None:
    cluster = Cluster(known={(NAMESPACE, "web"): pool(), ("org-other", "web"): pool()})
    verifier = tokens(cluster)
    refused = 0
    for number in range(100):
        try:
            await verifier.verify(TOKEN, address=f"10.244.1.{number}")
        except ApiUnavailableError:
            refused += 1
    assert refused == 100 - REVIEWS_OF_ONE_ORGANIZATION
    await verifier.verify(of("org-other"), address="10.244.2.1")
    assert len(cluster.asked) == REVIEWS_OF_ONE_ORGANIZATION + 1


async def test_the_log_says_why_and_never_shows_the_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await outcome(Cluster(says=replace(GOOD, authenticated=False, error="the pod\x1b is gone")))
        await outcome(Cluster(says=without("node-name")))
        await outcome(Cluster(known={}))
        await outcome(Cluster(says=ForbiddenError("no right")))
        await outcome(Cluster(), jwt(claims(exp=0)))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 5
    assert "the pod  is gone" in said[0]
    assert f"of {NAMESPACE}/web" in said[0]
    assert "Kubernetes 1.30" in said[1]
    whole = "".join(str(vars(record)) for record in caplog.records)
    assert not [part for part in TOKEN.split(".") if part in whole]


def test_an_answer_counts_only_for_the_audience_that_was_asked_about() -> None:
    user = {"username": "u", "uid": "i", "extra": {"a": ["1"], "b": ["1", "2"]}}
    status = {"authenticated": True, "user": user, "audiences": ["deplite-agent"]}
    review = answer_from({"status": status}, "deplite-agent")
    assert (review.authenticated, review.username, review.uid) == (True, "u", "i")
    assert (review.one("a"), review.one("b"), review.one("c")) == ("1", None, None)
    for wrong in ([], None, ["deplite"], ["https://kubernetes.default.svc"]):
        assert not answer_from({"status": status | {"audiences": wrong}}, "deplite-agent").authenticated
    assert not answer_from({"status": {"authenticated": "true"}}, "deplite-agent").authenticated
    assert not answer_from({}, "deplite-agent").authenticated
    assert question("t", "a")["spec"] == {"token": "t", "audiences": ["a"]}
