"""Calls signed by agents, as a client that nobody here wrote signs them."""

import base64
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import Agent
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Newcomer, Organized
from tests.kube.jobs.conftest import Replica, agent_name
from tests.kube.serving import MovableClock, served
from tests.published.agent import PublishedAgent

ORDER = 2**252 + 27742317777372353535851937790883648493
BEAT = ("POST", "/agent/heartbeat")


@pytest_asyncio.fixture(scope="module")
async def agent(home: Organized) -> PublishedAgent:
    return home.agent


async def beat(agent: PublishedAgent, headers: Any, *, path: str = BEAT[1], content: bytes = b"") -> httpx.Response:
    return await agent.http.post(agent.base + path, headers=headers, content=content)


@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
async def test_a_signed_call_is_taken_under_each_prefix(agent: PublishedAgent, prefix: str) -> None:
    headers = agent.signed(*BEAT, b"")
    answer = await agent.http.post(f"{agent.base}{prefix}/agent/heartbeat", headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_signature_over_the_prefix_is_wrong(agent: PublishedAgent) -> None:
    headers = agent.signed("POST", "/v1/agent/heartbeat", b"")
    refused(await beat(agent, headers, path="/v1/agent/heartbeat"), 401, "bad_signature")


@pytest.mark.parametrize("name", ["X-Agent-Id", "X-Timestamp", "X-Nonce", "X-Signature"])
async def test_a_header_that_is_missing_doubled_or_folded_is_401(agent: PublishedAgent, name: str) -> None:
    good = agent.signed(*BEAT, b"")
    refused(await beat(agent, {k: v for k, v in good.items() if k != name}), 401, "bad_signature_headers")
    refused(await beat(agent, [*good.items(), (name, good[name])]), 401, "bad_signature_headers")
    folded = good | {name: f"{good[name]}, {good[name]}"}
    refused(await beat(agent, folded), 401, "bad_signature_headers")
    assert (await beat(agent, good)).status_code == 204  # none of these has spent the nonce


@pytest.mark.parametrize("timestamp", ["", "x", "1.5", "-1", "+1", "0x10", "1e9", "1 0", "9" * 13, "٣" * 3])
async def test_a_timestamp_that_is_no_decimal_is_401(agent: PublishedAgent, timestamp: str) -> None:
    headers = agent.signed(*BEAT, b"") | {"X-Timestamp": timestamp}
    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    refused(await beat(agent, raw), 401, "bad_signature_headers")


@pytest_asyncio.fixture(scope="module")
async def standing(settings: Settings) -> AsyncIterator[Replica]:
    """A replica whose clock stands still."""
    async with served(settings, MovableClock()) as replica:
        yield replica


async def beat_at(agent: PublishedAgent, standing: Replica, off: int) -> tuple[httpx.Response, int]:
    """Send a timestamp that is off by seconds; returns the time of the replica, too."""
    now = int(standing.context.clock.now().timestamp())
    headers = agent.signed(*BEAT, b"", timestamp=str(now + off))
    return await agent.http.post(f"{standing.base}{BEAT[1]}", headers=headers), now


@pytest.mark.parametrize("off", [-301, 302, -10_000, 10_000])
async def test_a_timestamp_off_by_more_than_300_seconds_is_401_with_the_servers_time(
    agent: PublishedAgent, standing: Replica, off: int
) -> None:
    answer, now = await beat_at(agent, standing, off)
    assert refused(answer, 401, "stale_timestamp")["serverTime"] == now


@pytest.mark.parametrize("off", [-299, 300])
async def test_a_timestamp_within_300_seconds_is_good(agent: PublishedAgent, standing: Replica, off: int) -> None:
    answer, _ = await beat_at(agent, standing, off)
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize("nonce", ["", "ab" * 15, "ab" * 17, "AB" * 16, "zz" * 16, "ab" * 15 + "a ", "../" * 10 + "ab"])
async def test_a_nonce_of_another_shape_is_401(agent: PublishedAgent, nonce: str) -> None:
    headers = agent.signed(*BEAT, b"", nonce=nonce.strip())
    refused(await beat(agent, headers), 401, "invalid_nonce")


async def test_a_replay_is_401(agent: PublishedAgent) -> None:
    headers = agent.signed(*BEAT, b"")
    assert (await beat(agent, headers)).status_code == 204
    for _ in range(3):
        refused(await beat(agent, headers), 401, "nonce_replayed")


async def test_a_nonce_is_spent_only_once_its_signature_has_verified(agent: PublishedAgent) -> None:
    nonce = os.urandom(16).hex()
    stranger = PublishedAgent(agent.base)
    stranger.agent_id = agent.agent_id
    refused(await stranger.call(*BEAT, nonce=nonce), 401, "bad_signature")
    assert (await agent.call(*BEAT, nonce=nonce)).status_code == 204
    await stranger.close()


async def test_two_agents_may_use_the_same_nonce(newcomer: Newcomer, home: Organized, agent: PublishedAgent) -> None:
    other = await newcomer(home.namespace)
    nonce = os.urandom(16).hex()
    assert (await agent.call(*BEAT, nonce=nonce)).status_code == 204
    assert (await other.call(*BEAT, nonce=nonce)).status_code == 204
    refused(await other.call(*BEAT, nonce=nonce), 401, "nonce_replayed")


@pytest.mark.parametrize(
    "signed",
    [
        ("PUT", "/agent/heartbeat"),
        ("post", "/agent/heartbeat"),
        ("POST", "/agent/identity"),
        ("POST", "/agent/heartbeat/"),
        ("POST", "/agent/heartbeat?"),
        ("POST", "//agent/heartbeat"),
        ("POST", "/agent/%68eartbeat"),
    ],
)
async def test_another_method_or_path_than_signed_is_401(agent: PublishedAgent, signed: tuple[str, str]) -> None:
    refused(await beat(agent, agent.signed(*signed, b"")), 401, "bad_signature")


async def test_a_body_changed_by_one_byte_is_401(agent: PublishedAgent) -> None:
    body = json.dumps({"hostname": "web-1"}).encode()
    headers = agent.signed("PATCH", "/agent/identity", body)
    for other in (body.replace(b"1", b"2"), body + b" ", body[:-1], b""):
        answer = await agent.http.patch(f"{agent.base}/agent/identity", content=other, headers=headers)
        refused(answer, 401, "bad_signature")
    answer = await agent.http.patch(f"{agent.base}/agent/identity", content=body, headers=headers)
    assert answer.status_code == 204


async def test_the_signature_is_checked_before_the_body_is_parsed(agent: PublishedAgent) -> None:
    headers = agent.signed("PATCH", "/agent/identity", b"")
    answer = await agent.http.patch(f"{agent.base}/agent/identity", content=b"{", headers=headers)
    refused(answer, 401, "bad_signature")
    refused(await agent.call("PATCH", "/agent/identity", b"{"), 422, "invalid_json")


@pytest.mark.parametrize("query", ["?x=1", "?x", "?%20"])
async def test_a_query_is_401_even_when_it_is_signed(agent: PublishedAgent, query: str) -> None:
    refused(await beat(agent, agent.signed(*BEAT, b""), path=BEAT[1] + query), 401, "bad_signature")
    refused(await beat(agent, agent.signed("POST", BEAT[1] + query, b""), path=BEAT[1] + query), 401, "bad_signature")


def mangled(signature: str, how: str) -> str:
    raw = base64.b64decode(signature)
    match how:
        case "63 bytes":
            raw = raw[:-1]
        case "65 bytes":
            raw += b"\0"
        case "S + L":
            raw = raw[:32] + (int.from_bytes(raw[32:], "little") + ORDER).to_bytes(32, "little")
        case "one bit":
            raw = bytes([raw[0] ^ 1]) + raw[1:]
        case "zeros":
            raw = bytes(64)
        case "url-safe":
            return base64.b64encode(b"\xff" * 32 + raw[32:]).decode().replace("/", "_")
        case "no padding":
            return signature.rstrip("=")
        case "hex":
            return raw.hex()
        case "a space inside":
            return signature[:10] + " " + signature[10:]
        case "empty":
            return ""
        case "10 kB":
            return "A" * 10_240
    return base64.b64encode(raw).decode()


HOW = [
    "63 bytes",
    "65 bytes",
    "S + L",
    "one bit",
    "zeros",
    "url-safe",
    "no padding",
    "hex",
    "a space inside",
    "empty",
    "10 kB",
]


@pytest.mark.parametrize("how", HOW)
async def test_a_signature_of_another_shape_is_401(agent: PublishedAgent, how: str) -> None:
    headers = agent.signed(*BEAT, b"")
    refused(await beat(agent, headers | {"X-Signature": mangled(headers["X-Signature"], how)}), 401, "bad_signature")
    assert (await beat(agent, headers)).status_code == 204


@pytest.mark.parametrize("agent_id", ["ag-aaaaaaaaaaaaaaaa", "AG-x", "../x", "a" * 5000, ""])
async def test_an_agent_that_nobody_enrolled_is_401(agent: PublishedAgent, agent_id: str) -> None:
    refused(await beat(agent, agent.signed(*BEAT, b"") | {"X-Agent-Id": agent_id}), 401, "unknown_agent")


async def test_an_agent_cannot_sign_for_another_one(newcomer: Newcomer, home: Organized, agent: PublishedAgent) -> None:
    other = await newcomer(home.namespace)
    headers = other.signed(*BEAT, b"") | {"X-Agent-Id": agent.agent_id}
    refused(await beat(agent, headers), 401, "bad_signature")


@pytest.mark.parametrize("instance", ["", "a b", "x" * 65, "ä", "a/b"])
async def test_an_instance_of_another_shape_is_422(agent: PublishedAgent, instance: str) -> None:
    raw = [(key.encode(), value.encode()) for key, value in agent.signed(*BEAT, b"").items()]
    refused(await beat(agent, [*raw, (b"X-Deplite-Instance", instance.encode())]), 422, "validation_error")


async def test_a_revoked_agent_is_told_so_and_others_are_not(
    newcomer: Newcomer, http: httpx.AsyncClient, home: Organized, owner: dict[str, str]
) -> None:
    agent = await newcomer(home.namespace)
    assert (await http.delete(f"/agents/{agent.agent_id}", headers=owner)).status_code == 204
    refused(await agent.call(*BEAT), 401, "agent_revoked")
    stranger = PublishedAgent(agent.base)
    stranger.agent_id = agent.agent_id
    refused(await stranger.call(*BEAT), 401, "bad_signature")
    shown = (await http.get(f"/agents/{agent.agent_id}", headers=owner)).json()
    assert shown["status"] == "revoked"
    await stranger.close()


@pytest_asyncio.fixture
async def other_replica(settings: Settings) -> AsyncIterator[Replica]:
    """A replica that has just started: it remembers no nonce of the first one."""
    async with served(settings, MovableClock()) as replica:
        yield replica


@pytest.mark.parametrize(
    ("method", "path", "bodies"),
    [
        ("PATCH", "/agent/identity", ({"hostname": "old"}, {"hostname": "new"})),
        ("POST", "/agent/workflows/report", ({"workflows": []}, {"workflows": [{"name": "newer"}]})),
    ],
)
async def test_after_a_restart_a_replay_of_an_older_report_is_refused(
    kube: KubeClient, newcomer: Newcomer, home: Organized, other_replica: Replica, method: str, path: str, bodies: Any
) -> None:
    agent = await newcomer(home.namespace)
    now = int(time.time())
    old, new = (json.dumps(body).encode() for body in bodies)
    recorded = agent.signed(method, path, old, timestamp=str(now + 30))
    assert (await agent.http.request(method, agent.base + path, content=old, headers=recorded)).is_success
    assert (await agent.call(method, path, new, timestamp=str(now + 60))).is_success
    replay = await agent.http.request(method, other_replica.base + path, content=old, headers=recorded)
    refused(replay, 401, "nonce_replayed")
    # An equal timestamp is legal: clients send whole seconds.
    again = agent.signed(method, path, new, timestamp=str(now + 60))
    assert (await agent.http.request(method, other_replica.base + path, content=new, headers=again)).is_success
    kept = await kube.get(Agent, home.namespace, await agent_name(kube, home.namespace, agent.agent_id))
    assert kept.status.hostname == ("new" if "identity" in path else "h1")
    assert [one["name"] for one in kept.status.workflows] == (["newer"] if "report" in path else ["deploy-prod"])


async def test_the_clock_of_the_replica_decides(settings: Settings, home: Organized) -> None:
    clock = MovableClock()
    clock.ahead = 600
    agent = home.agent
    async with served(settings, clock) as replica:
        headers = agent.signed(*BEAT, b"")
        answer = await agent.http.post(f"{replica.base}/agent/heartbeat", headers=headers)
        body = refused(answer, 401, "stale_timestamp")
        headers = agent.signed(*BEAT, b"", timestamp=str(body["serverTime"]))
        assert (await agent.http.post(f"{replica.base}/agent/heartbeat", headers=headers)).status_code == 204
