"""A server for the machine: real parts with the organization of examples/gitops, in a namespace of its own."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deplite.local.controlplane import ControlPlane
from deplite.local.objectstore import ObjectStore
from deplite.resources.identifiers import object_id
from tests.busy import AsyncPatient
from tests.gitops.shop import Shop
from tests.host.debian import debian
from tests.host.packages import lay_out
from tests.kube.serving import until
from tests.plain import PLAIN

NAMESPACE = "org-host"
MORE = f"""
apiVersion: deplite.io/v1alpha1
kind: Trigger
metadata: {{name: try, namespace: {NAMESPACE}}}
spec: {{agent: web-1, workflow: try}}
---
apiVersion: deplite.io/v1alpha1
kind: Trigger
metadata: {{name: report, namespace: {NAMESPACE}}}
spec: {{agent: web-1, workflow: machine-report}}
---
apiVersion: deplite.io/v1alpha1
kind: ApiToken
metadata: {{name: tests, namespace: {NAMESPACE}}}
spec:
  grants: [{{type: trigger, triggers: [try, deploy-web, report]}}]
  rateLimit: {{perMinute: 1000}}
  secretName: tests-token
---
apiVersion: deplite.io/v1alpha1
kind: EnrollmentToken
metadata: {{name: again, namespace: {NAMESPACE}}}
spec: {{agent: web-1, secretName: again-enrollment}}
---
apiVersion: deplite.io/v1alpha1
kind: EnrollmentToken
metadata: {{name: back, namespace: {NAMESPACE}}}
spec: {{agent: web-1, secretName: back-enrollment}}
"""
TRY = """\
name: try
params: [{name: script, type: string, required: true}]
steps:
  - {name: try, verbose: true, run: 'sh -ec "$PARAM_SCRIPT"'}
"""
"""A workflow that runs what a test wants to know about."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A job that is over."""

    status: str
    reason: str | None
    exit_code: int | None
    log: str
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the people of the organization have."""

    shop: Shop
    shared: Path
    """What machines see as /mnt/shared; examples/host/README.md makes it."""
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        """Where the server is."""
        return self.shop.url

    async def secret(self, name: str) -> str:
        """Return the credential in a Secret, once it is there."""
        return await _credential(self.shop, name)

    async def shown(self, script: str, file: str) -> str:
        """Have somebody with kubectl type a script for the example, and return what is in a file of theirs alone."""
        said = await self.shop.run(f"umask 022\n{script.replace('org-shop', NAMESPACE)}\nstat -c %A {file}; cat {file}")
        mode, _, content = said.partition("\n")
        assert mode == "-rw-------"
        return content

    async def agent(self) -> dict[str, Any]:
        """Return the Agent `web-1`."""
        found: dict[str, Any] = await self.shop.read("agent", "web-1", namespace=NAMESPACE)
        return found

    async def begin(self, script: str = "", *, trigger: str = "try", ref: str | None = None) -> str:
        """Start a job by the trigger's webhook; return its id."""
        body = {"params": {"script": script} if script else None, "ref": ref}
        path = f"/triggers/{object_id('tr', NAMESPACE, trigger)}/run"
        given = {name: value for name, value in body.items() if value}
        async with asyncio.timeout(60):
            while (answer := await self.http.post(path, json=given)).status_code == 422:
                assert answer.json()["code"] == "unknown_workflow", answer.text  # the agent tells of it in a moment
                await asyncio.sleep(0.1)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    async def status(self, job: str) -> str:
        """Return where a job stands."""
        return str((await self.http.get(f"/jobs/{job}")).json()["status"])

    async def running(self, job: str) -> None:
        """Wait until a job runs."""
        await until(lambda: self.status(job), "running")

    async def end(self, job: str) -> Ended:
        """Return how a job ended, once it has."""
        async with asyncio.timeout(120):
            while (detail := (await self.http.get(f"/jobs/{job}")).json())["status"] in ("queued", "running"):
                await asyncio.sleep(0.1)
        items = (await self.http.get(f"/jobs/{job}/logs")).json()["items"]
        return Ended(
            status=detail["status"],
            reason=detail.get("reason"),
            exit_code=detail.get("exitCode"),
            log="\n".join(item["content"] for item in items),
            detail=detail,
        )

    async def run(self, script: str) -> Ended:
        """Have the machine run a script, and return how that ended."""
        return await self.end(await self.begin(script))


@asynccontextmanager
async def opened(folder: Path, plane: ControlPlane, store: ObjectStore) -> AsyncIterator[Site]:
    """Start the parts, declare the organization, make what machines install from; remove all of it afterwards."""
    shared = folder / "shared"
    shared.mkdir(parents=True)
    shop, _ = await asyncio.gather(Shop.open(folder, plane, store), lay_out(shared, await debian()))
    try:
        await shop.run(f"cp -r examples/gitops host && sed -i s/org-shop/{NAMESPACE}/ host/*.yaml")
        (shop.folder / "host" / "more.yaml").write_text(MORE)
        await shop.run("kubectl apply -f host")
        token = await _credential(shop, "tests-token")
        bearer = {"Authorization": f"Bearer {token}"}
        await _credential(shop, "web-1-enrollment")
        patient = AsyncPatient(verify=PLAIN)
        async with httpx.AsyncClient(base_url=shop.url, headers=bearer, transport=patient, timeout=70) as client:
            yield Site(shop=shop, shared=shared, http=client)
        await shop.run(f"kubectl delete namespace --wait=false {NAMESPACE}")
    finally:
        await shop.close()


async def _credential(shop: Shop, name: str) -> str:
    async def there() -> bool:
        names = {item["metadata"]["name"] for item in (await shop.read("secrets", namespace=NAMESPACE))["items"]}
        return name in names

    await until(there, True)
    return base64.b64decode((await shop.read("secret", name, namespace=NAMESPACE))["data"]["token"]).decode()
