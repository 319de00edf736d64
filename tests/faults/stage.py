"""Apiserver and operator as processes whose ways to S3 and to the Kubernetes API lead through proxies of ours."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deplite.local import installation, parts
from deplite.local.accounts import Accounts
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from deplite.local.issuer import OWNER, Issuer
from deplite.local.layout import Layout
from deplite.local.objectstore import ObjectStore
from deplite.local.ports import choose
from deplite.local.process import Program
from deplite.local.supervisor import Supervisor
from deplite.rights import account_name
from tests.faults.httpproxy import HttpProxy
from tests.faults.site import Site


@dataclass(frozen=True, kw_only=True)
class Stage(Site):
    """A running installation whose parts are served by proxies: one for S3, one a part for the Kubernetes API."""

    supervisor: Supervisor
    s3: HttpProxy
    kube_of: dict[str, HttpProxy]
    """The Kubernetes API, as the part of that name sees it."""

    @classmethod
    async def set_up(cls, folder: Path, plane: ControlPlane, store: ObjectStore) -> "Stage":
        """Start the parts in a folder."""
        layout = Layout.at(folder / "data").make()
        failpoints = folder / "failpoints"
        failpoints.mkdir()
        s3 = HttpProxy(store.endpoint)
        tls = ssl.create_default_context(cafile=str(plane.credentials.authority))
        kube_of = {part: HttpProxy(plane.url, tls) for part in ("apiserver", "operator")}
        for proxy in (s3, *kube_of.values()):
            await proxy.start()
        organization = f"org-stage-{secrets.token_hex(3)}"
        cluster = await Cluster.connect(plane.kubeconfig)
        await installation.install(cluster)
        await installation.install_organization(cluster, organization)
        issuer = Issuer.open(layout.issuer)
        ports = choose(["apiserver", "operator"], {})
        storage = parts.Storage(s3.url, store.bucket, store.region, store.access_key_file, store.secret_key_file)
        configs = {part: await kubeconfig_through(cluster, layout, part, proxy.url) for part, proxy in kube_of.items()}
        # Its patience with what ends again and again is the subject of other tests.
        supervisor = Supervisor(lambda _: None, lambda: None, sleep=lambda seconds: asyncio.sleep(min(seconds, 0.2)))
        operator = parts.operator(layout, ports["operator"], ports["apiserver"], configs["operator"])
        programs = (
            # Its watches are the subject here: no resync shall make up for them.
            replace(operator, env={**operator.env, "DEPLITE_RESYNC_SECONDS": "3600"}),
            parts.apiserver(layout, ports["apiserver"], configs["apiserver"], issuer.issuers_file, storage),
        )
        await asyncio.gather(*(supervisor.start(armed(program, failpoints)) for program in programs))
        await cluster.close()
        return cls(
            data=layout.root,
            failpoints=failpoints,
            url=parts.public_url(ports["apiserver"]),
            organization=organization,
            jwt=issuer.token(OWNER, datetime.now(UTC)),
            kubeconfig=plane.kubeconfig,
            supervisor=supervisor,
            s3=s3,
            kube_of=kube_of,
        )

    def heal(self) -> None:
        """End every fault."""
        for proxy in (self.s3, *self.kube_of.values()):
            proxy.heal()

    def log(self, part: str) -> str:
        """Return what a part has logged."""
        return Layout.at(self.data).log(part).read_text()

    def pid(self, part: str) -> int | None:
        return next(state.pid for state in self.supervisor.states() if state.name == part)

    def restarts(self, part: str) -> int:
        """Return how often a part was started again."""
        return next(state.restarts for state in self.supervisor.states() if state.name == part)

    async def stop(self) -> None:
        self.heal()
        for part in ("apiserver", "operator"):
            if (pid := self.pid(part)) is not None:
                os.kill(pid, signal.SIGCONT)
        await self.supervisor.stop(("operator", "apiserver"), lambda _: contextlib.nullcontext())
        for proxy in (self.s3, *self.kube_of.values()):
            await proxy.stop()


async def kubeconfig_through(cluster: Cluster, layout: Layout, part: str, url: str) -> Path:
    """Return the kubeconfig of a part that goes through a proxy, where only loopback and our own code are."""
    aim = layout.root / f"{part}-aim.json"
    aim.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": url}}],
            }
        )
    )
    return (await Accounts(cluster, layout.accounts, aim).issue(account_name(part))).kubeconfig


def armed(program: Program, failpoints: Path) -> Program:
    return replace(program, env={**program.env, "DEPLITE_FAILPOINTS": str(failpoints)})
