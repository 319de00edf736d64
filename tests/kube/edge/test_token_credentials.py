"""API tokens that are not good all look alike, and their failures are counted by address."""

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.resources import ApiToken
from deplite.resources.credentials import mint
from deplite.resources.resource import utc
from deplite_apiserver.auth.failures import FAILURES_PER_MINUTE
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.jobs.conftest import make_token
from tests.kube.serving import MovableClock, served, told

GRANTS = [{"type": "trigger", "triggers": ["deploy"]}]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def with_wrong_checksum() -> str:
    plain = mint("tk").plain
    return plain[:-1] + ("a" if plain[-1] != "a" else "b")


async def test_wrong_unknown_revoked_and_expired_tokens_get_the_same_answer(
    http: httpx.AsyncClient, kube: KubeClient, organization: str
) -> None:
    past = utc(datetime.now(UTC) - timedelta(seconds=2))
    expired = await make_token(kube, organization, "expired", grants=GRANTS, expiresAt=past)
    revoked = await make_token(kube, organization, "revoked", grants=GRANTS)
    assert (await http.get("/token", headers=bearer(revoked))).status_code == 200
    await kube.delete(ApiToken, organization, "revoked")
    rotated = await make_token(kube, organization, "rotated", grants=GRANTS)
    known = (await kube.get(ApiToken, organization, "rotated")).status.hashes[0].wire() | {"notAfter": past}
    await kube.patch_status(ApiToken, organization, "rotated", {"hashes": [known]})
    elsewhere = await make_token(kube, organization, "elsewhere", grants=GRANTS, allowedCIDRs=["192.0.2.0/24"])
    wrong = {
        "checksum": with_wrong_checksum(),
        "unknown": mint("tk").plain,
        "expired": expired,
        "revoked": revoked,
        "rotated": rotated,
        "elsewhere": elsewhere,
        "short": "tk_",
        "long": "tk_" + "a" * 5000,
    }
    bodies = {}
    await told(ApiToken)
    async with asyncio.timeout(60):
        while (await http.get("/token", headers=bearer(revoked))).status_code == 200:
            await asyncio.sleep(0.05)  # of what was deleted only the watch tells
    for name, token in wrong.items():
        bodies[name] = refused(await http.get("/token", headers=bearer(token)), 401, "invalid_token")
    assert all(body == bodies["unknown"] for body in bodies.values()), bodies


@pytest.mark.parametrize("cidr", ["127.0.0.0/8", "127.0.0.1", "0.0.0.0/0"])
async def test_a_token_may_be_used_from_its_networks(
    http: httpx.AsyncClient, kube: KubeClient, organization: str, cidr: str
) -> None:
    token = await make_token(kube, organization, "here", grants=GRANTS, allowedCIDRs=["192.0.2.1", cidr])
    answer = await http.get("/token", headers=bearer(token))
    assert answer.status_code == 200


async def test_after_a_hundred_failures_in_a_minute_an_address_waits(settings: Settings, home: Organized) -> None:
    clock = MovableClock()
    async with served(settings, clock) as replica, replica.client() as http:
        clock.ahead += 61 - clock.now().second  # the first second or two of a minute
        for _ in range(FAILURES_PER_MINUTE):
            refused(await http.get("/token", headers=bearer(with_wrong_checksum())), 401, "invalid_token")
        answer = await http.get("/token", headers=bearer(with_wrong_checksum()))
        body = refused(answer, 429, "rate_limited")
        assert 1 <= body["retryAfter"] <= 60
        assert (body["error"], body["scope"], body["window"]) == ("rate_limited", "authentication", "minute")
        assert (body["limit"], body["observed"]) == (FAILURES_PER_MINUTE, FAILURES_PER_MINUTE)
        for path in ("/orgs/org-x/agents", "/triggers/tr-aaaaaaaaaaaaaaaa"):
            refused(await http.get(path, headers=bearer("a.b.c")), 429, "rate_limited")
        refused(await http.post("/agent/enroll", headers=bearer("enr_x")), 429, "rate_limited")
        # Who has a good credential is served all the same, and health is nobody's credential.
        assert (await http.get("/token", headers=bearer(home.token))).status_code == 200
        assert (await http.get("/readyz")).status_code == 200
        clock.ahead += 60
        refused(await http.get("/token", headers=bearer(with_wrong_checksum())), 401, "invalid_token")


async def test_good_calls_are_not_counted_as_failures(settings: Settings, home: Organized) -> None:
    clock = MovableClock()
    async with served(settings, clock) as replica, replica.client() as http:
        clock.ahead += 61 - clock.now().second
        for _ in range(FAILURES_PER_MINUTE + 5):
            assert (await http.get("/token", headers=bearer(home.token))).status_code == 200
        refused(await http.get("/token", headers=bearer(with_wrong_checksum())), 401, "invalid_token")


async def test_reads_of_a_token_are_limited_to_300_a_minute(settings: Settings, home: Organized) -> None:
    clock = MovableClock()
    async with served(settings, clock) as replica, replica.client() as http:
        clock.ahead += 61 - clock.now().second
        paths = ["/token", "/agents", "/workflows", "/jobs/j-aaaaaaaaaaaaaaaaaaaaaaaaaa"]
        for number in range(300):
            answer = await http.get(paths[number % len(paths)], headers=bearer(home.token))
            assert answer.status_code in (200, 404)
        body = refused(await http.get("/token", headers=bearer(home.token)), 429, "rate_limited")
        assert (body["scope"], body["limit"], body["window"]) == ("token_read", 300, "minute")
        clock.ahead += 60
        assert (await http.get("/token", headers=bearer(home.token))).status_code == 200


async def test_a_token_expires_by_the_replicas_clock(settings: Settings, kube: KubeClient, organization: str) -> None:
    clock = MovableClock()
    later = utc(datetime.now(UTC) + timedelta(hours=1))
    token = await make_token(kube, organization, "hour", grants=GRANTS, expiresAt=later)
    async with served(settings, clock) as replica, replica.client() as http:
        assert (await http.get("/token", headers=bearer(token))).status_code == 200
        clock.ahead += 3601
        refused(await http.get("/token", headers=bearer(token)), 401, "invalid_token")


@pytest.mark.parametrize(
    ("forwarded", "good"),
    [
        (["192.0.2.1"], True),
        (["203.0.113.5, 192.0.2.1, 127.0.0.9"], True),
        (["203.0.113.5", "192.0.2.1"], True),
        (["192.0.2.1, 203.0.113.5"], False),
        (["192.0.2.1, nonsense"], False),
        ([], False),
    ],
)
async def test_behind_a_trusted_proxy_the_nearest_stranger_has_to_be_allowed(
    settings: Settings, kube: KubeClient, organization: str, forwarded: list[str], good: bool
) -> None:
    token = await make_token(kube, organization, "there", grants=GRANTS, allowedCIDRs=["192.0.2.0/24"])
    proxied = settings.model_copy(update={"trusted_proxies": (ip_network("127.0.0.0/8"),)})
    headers = [("Authorization", f"Bearer {token}"), *(("X-Forwarded-For", value) for value in forwarded)]
    async with served(proxied) as replica, replica.client() as http:
        answer = await http.get("/token", headers=headers)
        assert answer.status_code == (200 if good else 401), answer.text


async def test_nobody_is_believed_who_is_no_trusted_proxy(
    http: httpx.AsyncClient, kube: KubeClient, organization: str
) -> None:
    token = await make_token(kube, organization, "there", grants=GRANTS, allowedCIDRs=["192.0.2.0/24"])
    refused(await http.get("/token", headers=bearer(token) | {"X-Forwarded-For": "192.0.2.1"}), 401, "invalid_token")
