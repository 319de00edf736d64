"""A release that the real Helm installed, and its parts as processes with exactly what the cluster has for their pods.

What a pod has from its node is replaced: addresses of this machine, and files in a folder. A Deployment says that it is
rolled out once its processes are ready, as its controller would.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deplite.kube.client import KubeClient
from deplite.local.accounts import Account, Accounts
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from deplite.local.objectstore import ObjectStore
from deplite.local.ports import choose
from deplite.local.probe import ask_port
from deplite.local.process import Process, Program, clean_environment
from tests.chart.chart import CHART, NAMESPACE, RELEASE, Helm, Object, environment, pods
from tests.chart.pods import ACCOUNT, mounted
from tests.planes import plane_in
from tests.valkey import Valkey

REPLICAS = ("apiserver-1", "apiserver-2")
PROCESSES = (*REPLICAS, "operator")
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""What a scrape shows: values by name and labels."""


@dataclass(kw_only=True)
class Release:
    """Helm, kubectl and the parts of one release."""

    helm: Helm
    kube: KubeClient
    plane: ControlPlane
    folder: Path
    ports: dict[str, int]
    organizations: tuple[str, ...]
    files: dict[str, Path]
    """What the Secrets hold, by its path in the pod."""
    shared: str
    endpoint: str
    program: Path
    notes: str = ""
    """What Helm said last."""
    running: dict[str, Process] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        """Where each apiserver is."""
        return [f"http://127.0.0.1:{self.ports[name]}" for name in REPLICAS]

    def log(self, name: str) -> Path:
        """Return the log of a process."""
        return self.folder / f"{name}.log"

    async def scrape(self, name: str, accept: str = "text/plain") -> str:
        """Return what a process shows of itself."""
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            url = f"http://{self._shown_at(name)}/metrics"
            answer = await client.get(url, headers={"Accept": accept})
        assert answer.status_code == 200
        return answer.text

    async def samples(self, name: str) -> Samples:
        """Return the same, sample by sample."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(await self.scrape(name))
            for sample in family.samples
        }

    async def install(self) -> None:
        """Install it as a user does, with the first apiserver's address as everybody's."""
        said = {
            "publicUrl": self.urls[0],
            "s3.endpoint": self.endpoint,
            "s3.existingSecret.name": "s3",
            "redis.url": self.shared,
            "redis.existingSecret.name": "redis",
            "apiserver.replicas": "2",
            "operator.leaseSeconds": "10/8/0.5",  # the next operator waits for the Lease of one that was killed
        } | {f"organizations[{number}].name": name for number, name in enumerate(self.organizations)}
        sets = [word for name, value in said.items() for word in ("--set", f"{name}={value}")]
        self.notes = await self.helm.run("install", RELEASE, str(CHART), "--namespace", NAMESPACE, *sets)

    async def shell(self, text: str) -> str:
        """Type at a shell that has this cluster's kubectl and Helm, and return what it prints.

        Raises:
            AssertionError: a command failed.
        """
        tools = os.pathsep.join([str(self.program.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
        child = await asyncio.create_subprocess_exec(
            *("bash", "-ec", text.replace("<chart>", str(CHART))),
            env={"PATH": tools, "HOME": str(self.folder), "KUBECONFIG": str(self.plane.kubeconfig)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await child.communicate()
        assert child.returncode == 0, f"{text}\n{said.decode()}"
        return said.decode()

    async def token(self, account: str, *audiences: str) -> str:
        """Return what `kubectl create token` does."""
        words = [f"--audience={audience}" for audience in audiences]
        return (await self.shell(f"kubectl -n {NAMESPACE} create token {account} {' '.join(words)}")).strip()

    async def start(self) -> None:
        """Start the parts as the cluster says, and return once all are ready."""
        manifest = await self.helm.run("get", "manifest", RELEASE, "--namespace", NAMESPACE)
        objects = [found for found in yaml.safe_load_all(manifest) if found]
        cluster = await Cluster.connect(self.plane.kubeconfig)
        accounts = Accounts(cluster, self.folder, self.plane.kubeconfig)
        own = {part: await accounts.issue(f"deplite-{part}") for part in ("apiserver", "operator")}
        await cluster.close()
        served = self._settings(objects, own["apiserver"])
        other = environment(pods(objects)["deplite-operator"]) | {"KUBECONFIG": str(own["operator"].kubeconfig)}
        programs = [self._program("operator", "operator", other, "DEPLITE_PROBE_LISTEN")]
        programs += [self._program(name, "apiserver", served, "DEPLITE_LISTEN") for name in REPLICAS]
        for program in programs:
            self.running[program.name] = await Process.start(program)
        for process in self.running.values():
            await process.wait_ready(120)
        await self._roll_out({"deplite-apiserver": len(REPLICAS), "deplite-operator": 1})

    async def kill(self) -> None:
        """Kill all parts."""
        for process in self.running.values():
            process.kill()
            await process.wait()
        self.running.clear()

    async def stop(self) -> None:
        """Stop all parts."""
        for process in self.running.values():
            await process.stop()
        self.running.clear()

    def _settings(self, objects: list[Object], account: Account) -> dict[str, str]:
        """Return the apiserver's environment, with the node's share of it replaced."""
        given = mounted(objects, self.folder / "settings", self.files)
        issuers = self.folder / "settings" / "issuers.json"
        text = issuers.read_text().replace("https://kubernetes.default.svc/", f"{self.plane.url}/")
        text = text.replace(f"{ACCOUNT}ca.crt", str(self.plane.credentials.authority))
        issuers.write_text(text.replace(f"{ACCOUNT}token", str(account.token_file)))
        return given | {"KUBECONFIG": str(account.kubeconfig)}

    def _shown_at(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[f'{name}-metrics']}"

    def _program(self, name: str, part: str, env: dict[str, str], listen: str) -> Program:
        """Return one that listens, where the variable for it says so, at a port of its own."""
        own = env | {listen: f"127.0.0.1:{self.ports[name]}", "DEPLITE_METRICS_LISTEN": self._shown_at(name)}

        async def ready() -> bool:
            return (await ask_port(self.ports[name], "/readyz")).status == 200

        return Program(
            name=name,
            argv=(sys.executable, "-P", "-m", f"deplite_{part}.main"),
            cwd=self.folder,
            env=clean_environment(**own),
            log=self.log(name),
            ready=ready,
        )

    async def _roll_out(self, replicas: dict[str, int]) -> None:
        for name, count in replicas.items():
            found = await self.kube.connection.request("GET", f"{DEPLOYMENTS}/{name}")
            counted = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count)
            status = counted | {"observedGeneration": found["metadata"]["generation"]}
            await self.kube.connection.request(
                "PATCH",
                f"{DEPLOYMENTS}/{name}/status",
                body={"status": status},
                content_type="application/merge-patch+json",
            )


def commands(notes: str) -> list[str]:
    """Return the blocks of commands in Helm's NOTES."""
    found = re.findall(r"(?:^    .+\n?)+", notes, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


@asynccontextmanager
async def released(
    program: Path, folder: Path, store: ObjectStore, valkey: Valkey, organizations: Sequence[str]
) -> AsyncIterator[Release]:
    """A release in a cluster that knew nothing of us, installed in the two steps that the first NOTES tell.

    Its namespace takes only restricted pods. Two apiservers and an operator run.
    """
    await asyncio.to_thread(folder.mkdir, mode=0o700)
    async with plane_in(folder / "plane", definitions=False) as plane:
        kube = await KubeClient.connect(plane.kubeconfig)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}}
        await kube.connection.request("POST", "/api/v1/namespaces", body=namespace)
        release = Release(
            helm=Helm(program, folder, plane.kubeconfig),
            kube=kube,
            plane=plane,
            folder=folder,
            ports=choose([*PROCESSES, *(f"{name}-metrics" for name in PROCESSES)], {}),
            organizations=tuple(organizations),
            files={
                "s3/access-key": store.access_key_file,
                "s3/secret-key": store.secret_key_file,
                "redis/password": valkey.password_file,
            },
            shared=valkey.settings.url,
            endpoint=store.endpoint,
            program=program,
        )
        for name in ("s3", "redis"):
            keys = {path.partition("/")[2]: file for path, file in release.files.items() if path.startswith(name)}
            await _put(kube, name, keys)
        try:
            await release.install()
            (again,) = [one for one in commands(release.notes) if "helm upgrade" in one]
            release.notes = await release.shell(again)
            await release.start()
            yield release
        finally:
            await release.stop()
            await kube.close()


async def _put(kube: KubeClient, name: str, files: dict[str, Path]) -> None:
    texts = {key: await asyncio.to_thread(file.read_text) for key, file in files.items()}
    body = {"metadata": {"name": name}, "stringData": texts}
    await kube.connection.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", body=body)
