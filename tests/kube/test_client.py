"""The client against the real API server: the errors that it tells apart, compare-and-swap, watches, Secrets."""

import asyncio
from pathlib import Path

import pytest
import yaml

from deplite.kube.client import KubeClient, WatchEvent
from deplite.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from deplite.resources import Agent, DeployJob
from deplite.resources.agent import AgentSpec
from deplite.resources.deployjob import DeployJobSpec
from deplite.resources.resource import Meta


def agent(namespace: str, name: str = "web-1", **spec: object) -> Agent:
    return Agent(metadata=Meta(namespace=namespace, name=name), spec=AgentSpec.model_validate(spec))


async def test_create_get_list_delete(kube: KubeClient, organization: str) -> None:
    created = await kube.create(agent(organization, display_name="Web"))
    assert created.metadata.uid
    assert created.spec.display_name == "Web"
    assert await kube.get(Agent, organization, "web-1") == created
    assert await kube.list(Agent, organization) == [created]
    assert created in await kube.list(Agent)
    await kube.delete(Agent, organization, "web-1", uid=created.metadata.uid)
    with pytest.raises(NotFoundError):
        await kube.get(Agent, organization, "web-1")


async def test_errors_tell_apart_what_the_callers_must(kube: KubeClient, organization: str) -> None:
    created = await kube.create(agent(organization))
    with pytest.raises(AlreadyExistsError):
        await kube.create(agent(organization))
    with pytest.raises(ConflictError):
        await kube.patch(Agent, organization, "web-1", {"spec": {"suspended": True}}, version="1")
    with pytest.raises(InvalidError):
        await kube.patch(Agent, organization, "web-1", {"spec": {"suspended": "perhaps"}})
    with pytest.raises(NotFoundError):
        await kube.patch(Agent, organization, "web-2", {"spec": {"suspended": True}})
    with pytest.raises(ConflictError):
        await kube.delete(Agent, organization, "web-1", uid="00000000-0000-0000-0000-000000000000")
    assert (await kube.get(Agent, organization, "web-1")) == created


async def test_status_is_its_own_and_compared(kube: KubeClient, organization: str) -> None:
    created = await kube.create(agent(organization))
    version = created.metadata.resource_version
    patched = await kube.patch_status(Agent, organization, "web-1", {"hostname": "a"}, version=version)
    assert patched.status.hostname == "a"
    assert patched.metadata.generation == created.metadata.generation
    with pytest.raises(ConflictError):
        await kube.patch_status(Agent, organization, "web-1", {"hostname": "b"}, version=version)


async def test_list_comes_in_pages_of_one_version(kube: KubeClient, organization: str) -> None:
    for number in range(5):
        await kube.create(agent(organization, f"web-{number}"))
    pages = [page async for page in kube.pages(Agent, organization, limit=2)]
    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert len({page.version for page in pages}) == 1


async def test_field_selector(kube: KubeClient, organization: str) -> None:
    spec = DeployJobSpec(agent="web-1", workflow="deploy")
    await kube.create(DeployJob(metadata=Meta(namespace=organization, name="j-one"), spec=spec))
    found = await kube.list(DeployJob, organization, field_selector="spec.agent=web-1")
    assert [job.name for job in found] == ["j-one"]
    assert await kube.list(DeployJob, organization, field_selector="spec.agent=web-2") == []
    with pytest.raises(InvalidError):
        await kube.list(DeployJob, organization, field_selector="spec.ref=main")


async def test_watch_tells_what_happens_after_a_version(kube: KubeClient, organization: str) -> None:
    version = await kube.version(Agent)
    await kube.create(agent(organization))
    await kube.patch(Agent, organization, "web-1", {"spec": {"suspended": True}})
    await kube.delete(Agent, organization, "web-1")
    events: list[WatchEvent] = []
    async with asyncio.timeout(60):
        async for event in kube.watch(Agent, version, namespace=organization):
            events.append(event)
            if event.type == "DELETED":
                break
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event.version for event in events] == sorted(event.version for event in events)


async def test_watch_gives_up_a_silent_connection(kube: KubeClient, organization: str) -> None:
    with pytest.raises(UnavailableError):
        async for _ in kube.watch(Agent, await kube.version(Agent), namespace=organization, silence=0.5):
            pass


async def test_secret_is_replaced_only_as_it_was_read(kube: KubeClient, organization: str) -> None:
    secret = await kube.create_secret(organization, "s", {"token": b"a\x00b"}, labels={"x": "y"})
    assert secret.data == {"token": b"a\x00b"}
    assert "a\\x00b" not in repr(secret)
    replaced = await kube.replace_secret(secret, {"token": b"c"}, labels={"x": "z"})
    assert (replaced.data, replaced.labels) == ({"token": b"c"}, {"x": "z"})
    with pytest.raises(ConflictError):
        await kube.replace_secret(secret, {"token": b"d"})
    await kube.delete_secret(organization, "s")
    with pytest.raises(NotFoundError):
        await kube.get_secret(organization, "s")


async def test_replacing_a_secret_keeps_what_is_not_ours(kube: KubeClient, organization: str) -> None:
    path = f"/api/v1/namespaces/{organization}/secrets"
    metadata = {"name": "s", "annotations": {"sealed": "yes"}}
    await kube.connection.request(
        "POST", path, body={"metadata": metadata, "type": "example.com/own", "data": {"token": "YQ=="}}
    )
    await kube.replace_secret(await kube.get_secret(organization, "s"), {"token": b"b"})
    stored = await kube.connection.request("GET", f"{path}/s")
    assert stored["metadata"]["annotations"] == {"sealed": "yes"}
    assert stored["type"] == "example.com/own"


async def test_terminating_namespace_is_told_from_missing_rights(kube: KubeClient) -> None:
    name = "org-terminating"
    metadata = {"name": name}
    await kube.connection.request("POST", "/api/v1/namespaces", body={"metadata": metadata})
    held = {"metadata": {"name": "held", "finalizers": ["example.com/held"]}}
    await kube.connection.request("POST", f"/api/v1/namespaces/{name}/configmaps", body=held)
    await kube.connection.request("DELETE", f"/api/v1/namespaces/{name}")
    with pytest.raises(ForbiddenError) as refused:
        await kube.create_secret(name, "s", {})
    assert refused.value.namespace_ends
    freed = {"metadata": {"finalizers": None}}
    await kube.connection.request(
        "PATCH",
        f"/api/v1/namespaces/{name}/configmaps/held",
        body=freed,
        content_type="application/merge-patch+json",
    )


async def test_token_file_is_read_again_when_it_changes(
    kube: KubeClient, control_plane: object, tmp_path: Path
) -> None:
    admin = yaml.safe_load(control_plane.kubeconfig.read_text())  # type: ignore[attr-defined]
    token = str((await kube.connection.headers())["authorization"]).removeprefix("Bearer ")
    token_file = tmp_path / "token"
    token_file.write_text("wrong")
    admin["users"] = [{"name": entry["name"], "user": {"tokenFile": str(token_file)}} for entry in admin["users"]]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(admin))
    client = await KubeClient.connect(kubeconfig)
    try:
        with pytest.raises(ForbiddenError):
            await client.version(Agent)
        token_file.write_text(f"{token}\n")
        assert await client.version(Agent) > 0
        async with client.connection.session() as session, session.get(f"{client.connection.host}/api/v1") as answer:
            assert answer.status == 200
    finally:
        await client.close()


async def test_no_server_is_unavailable(control_plane: object, tmp_path: Path) -> None:
    admin = yaml.safe_load(control_plane.kubeconfig.read_text())  # type: ignore[attr-defined]
    admin["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(admin))
    client = await KubeClient.connect(kubeconfig)
    with pytest.raises(UnavailableError) as unavailable:
        await client.version(Agent)
    assert unavailable.value.retry_after >= 1
    await client.close()


async def test_an_empty_list_of_metadata_has_no_items(kube: KubeClient, organization: str) -> None:
    pages = [page async for page in kube.pages(Agent, organization, metadata_only=True)]
    assert [page.items for page in pages] == [[]]
