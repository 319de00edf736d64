"""Whoever is no pod of the pool stays out, costs the Kubernetes API little, and learns nothing."""

import asyncio
import secrets
from collections import Counter
from typing import Any

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.local.controlplane import ControlPlane
from deplite.resources import Agent, AgentPool
from deplite.resources.agentpool import AUDIENCE
from deplite_apiserver.auth.podtoken import REVIEWS_OF_ONE_ADDRESS
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.keys import good_pem
from tests.kube.edge.people import People, segment
from tests.kube.pools.cluster import Pod, Pool, long_ago, make_account, make_pod, signed_anew, token_of
from tests.kube.pools.test_enrollment import enroll
from tests.kube.serving import MovableClock, Replica, served, told, until


async def untouched(pool: Pool) -> bool:
    return await pool.kube.list(Agent, pool.namespace) == []


async def bound_to(pool: Pool, pod: Pod, audience: str | None) -> str:
    bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
    return await token_of(pool.kube, pool.namespace, pool.account, audience, bound)


@pytest.mark.parametrize("audience", ["deplite", "deplite-agents", None])
async def test_a_token_for_another_audience(
    http: httpx.AsyncClient, pool: Pool, node: str, audience: str | None
) -> None:
    token = await bound_to(pool, await pool.pod(node), audience)
    refused(await enroll(http, token), 401, "wrong_credential")
    assert await untouched(pool)


async def test_a_token_for_another_audience_that_says_it_is_for_ours(
    http: httpx.AsyncClient, pool: Pool, node: str
) -> None:
    token = await bound_to(pool, await pool.pod(node), "deplite")
    head, payload, signature = token.split(".")
    padded = payload + "=" * (-len(payload) % 4)
    import base64

    claims = base64.urlsafe_b64decode(padded).replace(b'"deplite"', b'"deplite-agent"')
    refused(await enroll(http, f"{head}.{segment(claims)}.{signature}"), 401, "invalid_enroll_token")
    assert await untouched(pool)


async def test_a_token_that_is_bound_to_no_pod(http: httpx.AsyncClient, pool: Pool, node: str) -> None:
    unbound = await token_of(pool.kube, pool.namespace, pool.account, AUDIENCE)
    path = f"/api/v1/nodes/{node}"
    uid = (await pool.kube.connection.request("GET", path))["metadata"]["uid"]
    of_node = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
    to_node = await token_of(pool.kube, pool.namespace, pool.account, AUDIENCE, of_node)
    for token in (unbound, to_node):
        refused(await enroll(http, token), 401, "invalid_enroll_token")
    assert await untouched(pool)


async def test_a_pod_that_has_no_node_yet(http: httpx.AsyncClient, pool: Pool) -> None:
    refused(await enroll(http, await pool.token(await pool.pod(""))), 401, "invalid_enroll_token")
    assert await untouched(pool)


async def test_a_pod_that_was_deleted(http: httpx.AsyncClient, pool: Pool, node: str) -> None:
    pod = await pool.pod(node)
    token = await pool.token(pod)
    await pool.delete(pod)
    await until(lambda: pool.is_good(token), False)
    refused(await enroll(http, token), 401, "invalid_enroll_token")
    assert await untouched(pool)


async def test_a_pod_of_another_account_of_the_namespace(
    http: httpx.AsyncClient, pool: Pool, node: str, kube: KubeClient
) -> None:
    for account in ("other", "other-agents"):
        await make_account(kube, pool.namespace, account)
        pod = await make_pod(kube, pool.namespace, node, serviceAccountName=account)
        refused(await enroll(http, await pool.token(pod)), 401, "invalid_enroll_token")
    assert await untouched(pool)


async def test_a_pod_of_another_namespace_with_an_account_of_that_name(
    http: httpx.AsyncClient, pool: Pool, node: str, kube: KubeClient, elsewhere: str
) -> None:
    await make_account(kube, elsewhere, pool.account)
    pod = await make_pod(kube, elsewhere, node, serviceAccountName=pool.account)
    foreign = Pool(kube=kube, namespace=elsewhere, name=pool.name)
    refused(await enroll(http, await foreign.token(pod)), 401, "invalid_enroll_token")
    assert await untouched(pool)
    assert await untouched(foreign)


async def test_each_pool_lets_in_its_own_pods_alone(
    http: httpx.AsyncClient, replica: Replica, pool: Pool, node: str, kube: KubeClient, elsewhere: str
) -> None:
    foreign = Pool(kube=kube, namespace=elsewhere, name=pool.name)
    await foreign.declare()
    theirs = await foreign.enrolled(replica.base, await foreign.pod(node))
    mine = await pool.enrolled(replica.base, await pool.pod(node))
    assert theirs.agent_id != mine.agent_id
    for agent, one in ((theirs, foreign), (mine, pool)):
        assert (await agent.call("POST", "/agent/heartbeat")).status_code == 204
        assert [found.status.public_key for found in await kube.list(Agent, one.namespace)] == [agent.public_pem()]
    await foreign.close()


async def test_an_account_that_was_there_before_the_pool(
    http: httpx.AsyncClient, kube: KubeClient, organization: str, node: str
) -> None:
    await make_account(kube, organization, "web-agents")
    pool = Pool(kube=kube, namespace=organization, name="web")
    await kube.create(AgentPool.model_validate({"metadata": {"name": "web", "namespace": organization}}))
    await told(AgentPool)
    token = await pool.token(await pool.pod(node))
    refused(await enroll(http, token), 401, "invalid_enroll_token")  # the operator has not made one
    await pool.adopt("00000000-0000-4000-8000-000000000000")
    refused(await enroll(http, token), 401, "invalid_enroll_token")
    assert await untouched(pool)


async def test_no_pool_at_all(http: httpx.AsyncClient, kube: KubeClient, organization: str, node: str) -> None:
    await make_account(kube, organization, "web-agents")
    pool = Pool(kube=kube, namespace=organization, name="web")
    refused(await enroll(http, await pool.token(await pool.pod(node))), 401, "invalid_enroll_token")
    assert await untouched(pool)


async def test_a_pool_that_is_gone(http: httpx.AsyncClient, pool: Pool, node: str, kube: KubeClient) -> None:
    token = await pool.token(await pool.pod(node))
    await kube.delete(AgentPool, pool.namespace, pool.name)

    async def answered() -> tuple[int, Any]:
        answer = await enroll(http, token)
        return answer.status_code, answer.json().get("code")

    await until(answered, (401, "invalid_enroll_token"))

    async def gone() -> bool:
        return await untouched(pool)  # an Agent made in the last moment has an owner that is gone

    await until(gone, True)


async def test_a_token_whose_time_is_over(
    settings: Settings, http: httpx.AsyncClient, pool: Pool, node: str, control_plane: ControlPlane
) -> None:
    token = await pool.token(await pool.pod(node))
    old = signed_anew(token, control_plane, **long_ago(90))
    refused(await enroll(http, old), 401, "invalid_enroll_token")
    clock = MovableClock()
    clock.ahead = -600  # to this replica it is good yet, and the Kubernetes API says that it is not
    async with served(settings, clock) as replica, replica.client() as other:
        refused(await enroll(other, old), 401, "invalid_enroll_token")
        assert (await enroll(other, signed_anew(token, control_plane))).status_code == 201  # nothing else is wrong


async def test_a_token_signed_by_somebody_else(http: httpx.AsyncClient, pool: Pool, node: str, people: People) -> None:
    import jwt

    token = await pool.token(await pool.pod(node))
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = [
        jwt.encode(claims, people.rsa, algorithm="RS256", headers={"kid": header["kid"]}),
        jwt.encode(claims, people.edwards, algorithm="EdDSA", headers={"kid": header["kid"]}),
        jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": header["kid"]}),
        jwt.encode(claims, None, algorithm="none", headers={"kid": header["kid"]}),
        ".".join([*token.split(".")[:2], segment(b"x" * 64)]),
    ]
    for one in forged:
        answer = await enroll(http, one)
        assert answer.status_code == 401
        assert answer.json()["code"] in ("invalid_enroll_token", "wrong_credential")
    assert await untouched(pool)


async def test_a_persons_token(http: httpx.AsyncClient, pool: Pool, people: People) -> None:
    refused(await enroll(http, people.token("olga")), 401, "wrong_credential")
    refused(await enroll(http, people.token("olga", aud=AUDIENCE)), 401, "invalid_enroll_token")
    subject = f"system:serviceaccount:{pool.namespace}:{pool.account}"
    refused(await enroll(http, people.token(subject, aud=AUDIENCE)), 401, "invalid_enroll_token")
    assert await untouched(pool)


async def test_a_pods_token_opens_no_other_door(http: httpx.AsyncClient, pool: Pool, node: str) -> None:
    bearer = {"Authorization": f"Bearer {await pool.token(await pool.pod(node))}"}
    refused(await http.get(f"/orgs/{pool.namespace}/agents", headers=bearer), 401, "invalid_token")
    refused(await http.post("/triggers/tr-aaaaaaaaaaaaaaaa/run", headers=bearer), 401, "wrong_credential")
    refused(await http.get("/token", headers=bearer), 401, "wrong_credential")
    refused(await http.post("/agent/heartbeat", headers=bearer), 401, "bad_signature_headers")


@pytest.mark.parametrize("length", [8 * 1024, 15 * 1024, 64 * 1024])
async def test_a_token_that_is_too_long(http: httpx.AsyncClient, pool: Pool, node: str, length: int) -> None:
    token = await pool.token(await pool.pod(node))
    answer = await enroll(http, token + "x" * length)
    assert answer.status_code in (401, 431)
    assert await untouched(pool)


class Counting:
    """Counts the questions that a replica asks the Kubernetes API."""

    def __init__(self, replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        reviewer = replica.context.pod_tokens._reviewer
        review = reviewer.review_token

        async def counted(token: str, audience: str) -> Any:
            self.asked += 1
            return await review(token, audience)

        monkeypatch.setattr(reviewer, "review_token", counted)


async def test_a_flood_of_made_up_tokens_costs_the_kubernetes_api_little(
    settings: Settings, pool: Pool, node: str, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await pool.token(await pool.pod(node))
    head, payload, _ = token.split(".")
    clock = MovableClock()  # it stands still, so all of this is one second
    async with served(settings, clock) as replica, replica.client() as http:
        counting = Counting(replica, monkeypatch)
        key = good_pem()
        junk = [f"{head}.{payload}.{segment(secrets.token_bytes(64))}" for _ in range(150)]
        answers = await asyncio.gather(*(enroll(http, one, key) for one in junk))
        outcomes = Counter(answer.status_code for answer in answers)
        assert counting.asked == REVIEWS_OF_ONE_ADDRESS
        assert outcomes == {401: REVIEWS_OF_ONE_ADDRESS, 503: 150 - REVIEWS_OF_ONE_ADDRESS}
        assert all(answer.json()["retryAfter"] for answer in answers if answer.status_code == 503)
        cheap = [
            signed_anew(token, control_plane, sub=f"system:serviceaccount:{pool.namespace}:x-agents"),
            signed_anew(token, control_plane, **{"kubernetes.io": {}}),
            signed_anew(token, control_plane, **long_ago(600)),
            f"{head}.{segment(b'{')}.x",
            "a.b.c",
        ]
        clock.ahead += 60
        for one in cheap:
            assert (await enroll(http, one, key)).status_code == 401
        assert counting.asked == REVIEWS_OF_ONE_ADDRESS
        assert (await enroll(http, token, key)).status_code == 201
    assert len(await pool.kube.list(Agent, pool.namespace)) == 1


async def test_who_guesses_has_to_wait_and_a_pod_behind_the_same_address_does_not(
    settings: Settings, pool: Pool, node: str
) -> None:
    token = await pool.token(await pool.pod(node))
    clock = MovableClock()
    clock.ahead = 61.0 - clock.now().second  # all of it within one minute
    async with served(settings, clock) as replica, replica.client() as http:
        codes = Counter[str]()
        for _ in range(105):
            clock.ahead += 0.2
            codes[(await enroll(http, token[:-4] + "AAAA")).json()["code"]] += 1
        assert set(codes) == {"invalid_enroll_token", "rate_limited"}
        clock.ahead += 0.2
        assert (await enroll(http, token)).status_code == 201
