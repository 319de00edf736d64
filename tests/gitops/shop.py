"""The parts as processes beside a real API server, and what the shop's people have: kubectl, REST, machines."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from deplite.local import installation, parts
from deplite.local.accounts import Accounts
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from deplite.local.layout import Layout
from deplite.local.objectstore import ObjectStore
from deplite.local.ports import choose
from deplite.local.process import Process, Program, clean_environment
from deplite.local.supervisor import Supervisor
from deplite.rights import account_name
from tests.kube.edge.people import People

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NAMESPACE = "org-shop"
ISSUER = "https://login.example.com"
"""Of the people in the example."""
SHELLS = {"sh": ("sh", "-euc"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")}
"""What people type into, and what GitHub runs where a step says `shell: bash`."""


class CommandError(AssertionError):
    """A command failed; the message is what it said."""


@dataclass(kw_only=True)
class Shop:
    """A cluster with Deplite in it, and a working copy of the examples."""

    folder: Path
    """The working copy: `examples/…` as in a clone."""
    url: str
    kubeconfig: Path
    people: People
    supervisor: Supervisor
    machines: list[Process] = field(default_factory=list)

    @classmethod
    async def open(cls, folder: Path, plane: ControlPlane, store: ObjectStore) -> "Shop":
        """Install the kinds, rights and parts; there is no organization yet."""
        layout = Layout.at(folder / "data").make()
        cluster = await Cluster.connect(plane.kubeconfig)
        await installation.install(cluster)
        accounts = Accounts(cluster, layout.accounts, plane.kubeconfig)
        configs = {part: (await accounts.issue(account_name(part))).kubeconfig for part in ("operator", "apiserver")}
        await cluster.close()
        people, issuers = People(layout.issuer), layout.issuer / "issuers.json"
        trusted = people.settings().model_copy(update={"issuer": ISSUER})
        issuers.write_text(json.dumps([trusted.model_dump(mode="json", by_alias=True, exclude_none=True)]))
        ports = choose(["apiserver", "operator"], {})
        storage = parts.Storage(
            store.endpoint, store.bucket, store.region, store.access_key_file, store.secret_key_file
        )
        supervisor = Supervisor(lambda _: None, lambda: None)
        await asyncio.gather(
            supervisor.start(parts.operator(layout, ports["operator"], ports["apiserver"], configs["operator"])),
            supervisor.start(parts.apiserver(layout, ports["apiserver"], configs["apiserver"], issuers, storage)),
        )
        shutil.copytree(ROOT / "examples", folder / "clone" / "examples")
        return cls(
            folder=folder / "clone",
            url=parts.public_url(ports["apiserver"]),
            kubeconfig=plane.kubeconfig,
            people=people,
            supervisor=supervisor,
        )

    async def close(self) -> None:
        """End machines and parts, and remove the organization."""
        for machine in self.machines:
            await machine.stop()
        await self.run("kubectl delete namespace --ignore-not-found --wait=false org-shop")
        await self.supervisor.stop(("operator", "apiserver"), lambda _: contextlib.nullcontext())

    async def run(
        self, script: str, environment: Mapping[str, str] = MappingProxyType({}), *, code: int = 0, shell: str = "sh"
    ) -> str:
        """Have a shell of SHELLS run a script in the working copy, with kubectl on the PATH; return what it printed.

        Raises:
            CommandError: its exit code is another one.
        """
        own = {"KUBECONFIG": str(self.kubeconfig), "PATH": f"{BIN}:{os.environ['PATH']}"}
        child = await asyncio.create_subprocess_exec(
            *SHELLS[shell],
            script,
            cwd=self.folder,
            env=clean_environment(**own, **environment),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaint = await child.communicate()
        if child.returncode != code:
            raise CommandError(f"{script}\nended with {child.returncode}:\n{said.decode()}{complaint.decode()}")
        return said.decode()

    async def read(self, *what: str, namespace: str = NAMESPACE) -> Any:
        """Return what `kubectl get` finds in a namespace; managedFields too."""
        return json.loads(await self.run(f"kubectl -n {namespace} get {' '.join(what)} -o json --show-managed-fields"))

    def file(self, name: str) -> str:
        """Return a file of the example."""
        return self._path(name).read_text()

    def write(self, name: str, text: str) -> None:
        """Change or add a file of the example."""
        self._path(name).write_text(text)

    def remove(self, name: str) -> None:
        """Take a file out of the example."""
        self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self.folder / "examples" / "gitops" / name

    def person(self, name: str = "ada") -> httpx.AsyncClient:
        """Return a REST client of somebody whom the example's Organization names."""
        token = self.people.token(f"{name}@example.com", iss=ISSUER)
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=70,
        )

    async def machine(self, name: str, environment: Mapping[str, str]) -> Process:
        """Start an agent that has the example workflows, with the environment that its administrator gives it."""
        folder = self.folder.parent / name
        folder.mkdir()
        (folder / "secrets").mkdir()
        (folder / "secrets" / "DATABASE_URL").write_text("postgres://shop")
        program = Program(
            name=name,
            argv=(str(BIN / "deplite-agent"),),
            cwd=folder,
            env=clean_environment(
                DEPLITE_STATE_DIR=str(folder / "state"),
                DEPLITE_WORKFLOWS_DIR=str(ROOT / "examples" / "workflows"),
                DEPLITE_SECRETS_DIR=str(folder / "secrets"),
                **environment,
            ),
            log=folder / "agent.log",
        )
        process = await Process.start(program)
        self.machines.append(process)
        return process
