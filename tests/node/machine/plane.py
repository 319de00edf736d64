"""The control plane of a cluster that has machines: the one of `deplite up`, with what machines need besides."""

import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from deplite.local.authority import make_pair
from deplite.local.controlplane import Binaries, ControlPlane
from deplite.local.layout import write_private
from deplite.local.process import Program, clean_environment
from tests.node.machine.plan import API, GATEWAY, SERVICES, Machine, Plan

KUBELET_CLIENT = "kube-apiserver-kubelet-client"
"""Who the API server is for the kubelets."""
GRACE_SECONDS = 30
"""After this long without a word from its kubelet a node counts as gone."""
_HOSTS = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_LEFT_OUT = ("--disable-admission-plugins=", "--controllers=")


@dataclass(frozen=True)
class User:
    """A component that calls the API, by a token of its own."""

    name: str
    group: str = ""

    def kubeconfig(self, folder: Path) -> Path:
        """Return where its kubeconfig is."""
        return folder / f"{self.name.replace(':', '-')}.kubeconfig"


SCHEDULER = User("system:kube-scheduler")
PROXY = User("system:kube-proxy")


def kubelet_of(machine: Machine) -> User:
    """Return whom the kubelet of a machine is for the API server."""
    return User(f"system:node:{machine.name}", "system:nodes")


class Plane(ControlPlane):
    """etcd, kube-apiserver, kube-controller-manager with all controllers, and kube-scheduler."""

    def __init__(self, plan: Plan) -> None:
        programs = plan.programs
        binaries = Binaries(programs["etcd"], programs["kube-apiserver"], programs["kube-controller-manager"])
        super().__init__(plan.plane, binaries, plan.port, logs=plan.logs, fsync=False)
        self._plan = plan

    @property
    def kubelet_authority(self) -> Path:
        """What vouches for us at the kubelets."""
        return self.folder / "kubelet-client" / "authority.crt"

    def prepare(self) -> None:
        """Make the folder, and credentials for everybody."""
        super().prepare()
        self._make_certificates()
        for user in (SCHEDULER, PROXY, *map(kubelet_of, self._plan.machines)):
            token = secrets.token_urlsafe(32)
            row = ",".join([token, user.name, user.name, *filter(None, [user.group])])
            write_private(self.credentials.tokens, f"{self.credentials.tokens.read_text()}{row}\n")
            write_private(user.kubeconfig(self.folder), self._kubeconfig(user, token))

    def _make_certificates(self) -> None:
        client, server = self.folder / "kubelet-client", self.folder / "server"
        for folder in (client, server):
            folder.mkdir(mode=0o700, exist_ok=True)
        make_pair(client, KUBELET_CLIENT)
        make_pair(server, "kube-apiserver", hosts=_HOSTS, addresses=("127.0.0.1", GATEWAY, API))
        # What it finds where it would put its own; it is also what verifies it, so the authority is in it.
        chain = "".join((server / name).read_text() for name in ("node.crt", "authority.crt"))
        write_private(self.credentials.authority, chain)
        write_private(self.credentials.authority.with_suffix(".key"), (server / "node.key").read_text())

    def programs(self) -> tuple[Program, ...]:
        """Return the programs in the order of starting."""
        etcd, apiserver, controller_manager = super().programs()
        return (etcd, self._apiserver(apiserver), self._controllers(controller_manager), self._scheduler())

    def _apiserver(self, program: Program) -> Program:
        client = self.folder / "kubelet-client"
        return _changed(
            program,
            "--bind-address=0.0.0.0",
            f"--advertise-address={GATEWAY}",
            "--endpoint-reconciler-type=lease",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=Node",  # besides RBAC
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--default-not-ready-toleration-seconds=5",  # else five minutes pass before a node that is gone is left
            "--default-unreachable-toleration-seconds=5",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={client / 'node.crt'}",
            f"--kubelet-client-key={client / 'node.key'}",
        )

    def _controllers(self, program: Program) -> Program:
        return _changed(
            program,
            f"--root-ca-file={self.credentials.authority}",
            f"--service-account-private-key-file={self.credentials.account_key}",
            f"--flex-volume-plugin-dir={self.folder / 'volume-plugins'}",
            f"--node-monitor-grace-period={GRACE_SECONDS}s",
            "--node-monitor-period=1s",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        )

    def _scheduler(self) -> Program:
        kubeconfig = SCHEDULER.kubeconfig(self.folder)
        name = "kube-scheduler"
        return Program(
            name=name,
            argv=(
                str(self._plan.programs[name]),
                f"--kubeconfig={kubeconfig}",
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
                "--profiling=false",
            ),
            cwd=self.folder,
            env=clean_environment(),
            log=self._plan.logs / f"{name}.log",
        )

    def _kubeconfig(self, user: User, token: str) -> str:
        server = f"https://{GATEWAY}:{self.port}"
        cluster = {"server": server, "certificate-authority": str(self.credentials.authority)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": user.name, "user": {"token": token}}],
            "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": user.name}}],
            "current-context": "context",
        }
        return json.dumps(config, indent=2) + "\n"


def _changed(program: Program, *more: str) -> Program:
    kept = (word for word in program.argv if not word.startswith(_LEFT_OUT))
    return replace(program, argv=(*kept, *more))
