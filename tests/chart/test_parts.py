"""A release from Helm's first word to the walkthrough: the NOTES' commands, and the parts as the cluster has them."""

import asyncio
from pathlib import Path

import httpx

from deplite.resources import Organization
from tests.chart.running import Release, commands
from tests.e2e.walkthrough.walking import Place, opened_shell, walk
from tests.kube.serving import until


async def agents(release: Release, token: str, number: int = 0) -> httpx.Response:
    """Ask an apiserver for the agents of the first organization."""
    async with httpx.AsyncClient(base_url=release.urls[number], trust_env=False, timeout=60) as client:
        headers = {"Authorization": f"Bearer {token}"}
        return await client.get(f"/api/orgs/{release.organizations[0]}/agents", headers=headers)


async def test_every_command_of_the_notes_works(release: Release) -> None:
    said = {one: await release.shell(one) for one in commands(release.notes)}
    (rolled,) = [text for one, text in said.items() if "rollout status" in one]
    assert rolled.count("successfully rolled out") == 2
    (listed,) = [text for one, text in said.items() if "get organizations" in one]
    assert all(name in listed for name in release.organizations)
    (asked,) = [text for one, text in said.items() if "create token" in one]
    assert asked.endswith("[]")
    (known,) = [text for one, text in said.items() if "openid-configuration" in one]
    assert '"issuer":"https://kubernetes.default.svc.cluster.local"' in known
    assert len(said) == 4


async def test_the_owner_signs_in_with_a_token_of_the_cluster_at_each_replica(release: Release) -> None:
    token = await release.token("deplite-owner", "deplite")
    for number in range(2):
        answer = await agents(release, token, number)
        assert (answer.status_code, answer.json()) == (200, [])


async def test_a_token_for_the_cluster_itself_is_none_for_us(release: Release) -> None:
    answer = await agents(release, await release.token("deplite-owner"))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_another_account_of_the_cluster_is_a_stranger(release: Release) -> None:
    answer = await agents(release, await release.token("deplite-operator", "deplite"))
    assert answer.status_code == 404


async def test_the_operator_finds_the_organizations_right(release: Release) -> None:
    for name in release.organizations:

        async def is_ready(name: str = name) -> bool:
            found = await release.kube.get(Organization, name, "organization")
            return any((one.type, one.status) == ("Ready", "True") for one in found.status.conditions)

        await until(is_ready, True)


async def test_the_walkthrough_with_people_at_one_replica_and_machines_at_the_other(
    release: Release, tmp_path: Path
) -> None:
    app, api = release.urls
    jwt = await release.token("deplite-owner", "deplite")
    place = Place(app=app, api=api, organization=release.organizations[1], jwt=jwt)
    with opened_shell(tmp_path, api) as shell:
        await asyncio.to_thread(walk, shell, tmp_path, place)
