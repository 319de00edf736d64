"""`helm uninstall` amid a deploy, with operator and apiservers dead: it waits for nobody, and nothing is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from deplite.kube.errors import NotFoundError, UnavailableError
from deplite.resources import KINDS, Agent, ApiToken, DeployJob, EnrollmentToken, Organization, Trigger
from tests.chart.chart import NAMESPACE, RELEASE
from tests.chart.machine import machine
from tests.chart.running import DEPLOYMENTS, Release
from tests.kube.serving import until

LIMIT_SECONDS = 60.0
"""What is promised for an uninstallation, and for the deletion of a namespace."""
WORKFLOW = """
name: gated
steps:
  - {name: wait, run: 'while [ ! -e "GATE" ]; do sleep 0.1; done'}
"""
DECLARED = """
apiVersion: deplite.io/v1alpha1
kind: Agent
metadata: {name: host}
spec: {displayName: Host}
---
apiVersion: deplite.io/v1alpha1
kind: EnrollmentToken
metadata: {name: host}
spec: {label: host, agent: host, secretName: host-code}
---
apiVersion: deplite.io/v1alpha1
kind: Trigger
metadata: {name: gated}
spec: {displayName: Gated, agent: host, workflow: gated}
---
apiVersion: deplite.io/v1alpha1
kind: ApiToken
metadata: {name: ci}
spec: {displayName: CI, secretName: ci, grants: [{type: trigger, triggers: [gated]}]}
"""
LIVE = (Agent, ApiToken, DeployJob, EnrollmentToken, Organization, Trigger)
KEYS = f"/api/v1/namespaces/{NAMESPACE}/secrets/deplite-server-keys"


class Site:
    """An organization made of manifests, with a machine of its own outside of the cluster."""

    def __init__(self, release: Release, organization: str, folder: Path) -> None:
        self.release, self.organization = release, organization
        self.gate = folder / "open"
        self._folder = folder

    async def declare(self) -> None:
        """Apply everything, and wait for the code and the key of its Secrets."""
        (self._folder / "manifests.yaml").write_text(DECLARED)
        await self.release.shell(f"kubectl apply -n {self.organization} -f {self._folder / 'manifests.yaml'}")
        for name in ("host-code", "ci"):
            await until(lambda name=name: self._has(name), True)  # type: ignore[misc]

    async def secret(self, name: str, key: str) -> str:
        """Return what the operator wrote."""
        return (await self.release.kube.get_secret(self.organization, name)).data[key].decode()

    @asynccontextmanager
    async def machine(self) -> AsyncIterator[None]:
        """The agent runs; its apiserver is the second one."""
        code, workflow = await self.secret("host-code", "token"), WORKFLOW.replace("GATE", str(self.gate))
        async with machine(self._folder, self.release.urls[1], code, workflow):
            yield

    async def fire(self) -> str:
        """Fire the webhook and return the job's id."""
        trigger = await self.release.kube.get(Trigger, self.organization, "gated")
        answer = await self.call("POST", f"/triggers/{trigger.status.id}/run")
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    async def status(self, job: str) -> str:
        """Return the job's status as a polling client reads it; what is not there yet says nothing."""
        try:
            answer = await self.call("GET", f"/api/jobs/{job}")
        except httpx.TransportError:
            return "away"
        return str(answer.json().get("status", answer.status_code))

    async def call(self, method: str, path: str) -> httpx.Response:
        """Call as the holder of the API token."""
        headers = {"Authorization": f"Bearer {await self.secret('ci', 'token')}"}
        async with httpx.AsyncClient(base_url=self.release.urls[0], trust_env=False, timeout=60) as client:
            return await client.request(method, path, headers=headers)

    async def ready(self) -> None:
        """Wait until the trigger can fire: its machine is there and has reported the workflow."""

        async def is_ready() -> bool:
            found = await self.release.kube.get(Trigger, self.organization, "gated")
            return any((one.type, one.status) == ("Ready", "True") for one in found.status.conditions)

        await until(is_ready, True)

    async def _has(self, name: str) -> bool:
        try:
            await self.release.kube.get_secret(self.organization, name)
        except NotFoundError:
            return False
        return True


@contextmanager
def promised() -> Iterator[None]:
    """What happens here is over in the time that is promised for it."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LIMIT_SECONDS


async def patiently(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask an API server that may be busy with its own storage for a moment."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await ask()
            except UnavailableError:
                await asyncio.sleep(0.1)


async def uids(release: Release, organization: str) -> dict[str, str]:
    """Return what lives in an organization, by kind and name."""
    found = [one for kind in LIVE for one in await patiently(partial(release.kube.list, kind, organization))]
    return {f"{type(one).__name__}/{one.metadata.name}": one.metadata.uid for one in found}


async def finalizers(release: Release) -> list[str]:
    """Return the objects of ours that would wait for somebody before they go."""
    found = []
    for kind in KINDS:
        path = f"/apis/deplite.io/v1alpha1/{kind.PLURAL}"
        listed = await patiently(partial(release.kube.connection.request, "GET", path))
        found += [one["metadata"]["name"] for one in listed["items"] if one["metadata"].get("finalizers")]
    return found


async def test_uninstalled_amid_a_deploy_and_installed_again(release: Release, tmp_path: Path) -> None:
    site = Site(release, release.organizations[2], tmp_path)
    given_up = Site(release, release.organizations[3], tmp_path)
    for one in (site, given_up):
        await one.declare()
    async with site.machine():
        await site.ready()
        job = await site.fire()
        await until(lambda: site.status(job), "running")
        before, keys = await uids(release, site.organization), await release.kube.connection.request("GET", KEYS)
        assert {name.partition("/")[0] for name in before} == {kind.__name__ for kind in LIVE}
        assert await finalizers(release) == []

        await release.kill()
        with promised():
            await release.helm.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
        assert (await release.kube.connection.request("GET", DEPLOYMENTS))["items"] == []
        assert await uids(release, site.organization) == before
        assert await release.kube.connection.request("GET", KEYS) == keys
        with promised():
            await release.shell(f"kubectl delete namespace {given_up.organization}")
        assert await uids(release, given_up.organization) == {}

        site.gate.touch()  # the deploy ends while there is nobody to tell
        await release.install()
        assert "once more" not in release.notes
        await release.start()
        await until(lambda: site.status(job), "success")
        assert await uids(release, site.organization) == before
        assert (await release.kube.connection.request("GET", KEYS))["data"] == keys["data"]
        again = await site.fire()  # under the key that the agent believes
        await until(lambda: site.status(again), "success")
