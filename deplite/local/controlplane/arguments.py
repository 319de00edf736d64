"""How etcd, kube-apiserver and kube-controller-manager are called on one machine, and when each is ready."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deplite.local.controlplane.credentials import Credentials
from deplite.local.controlplane.find import Binaries
from deplite.local.probe import NOTHING, Answer, ask_port, ask_socket
from deplite.local.process import Program, clean_environment

_CLIENTS = "unix://etcd:0"
"""A socket `etcd:0` in the working directory (etcd demands the form name:port): on TCP it would be an open door."""
_PEERS = "unix://peer:0"
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
)


@dataclass(frozen=True)
class Arguments:
    """Makes the three programs of one control plane; all work in its folder, where etcd's socket is."""

    credentials: Credentials
    binaries: Binaries
    logs: Path
    fsync: bool

    def etcd(self) -> Program:
        """Return etcd, which listens on unix sockets of this folder only."""
        arguments = [
            "--data-dir=etcd",
            f"--listen-client-urls={_CLIENTS}",
            f"--advertise-client-urls={_CLIENTS}",
            f"--listen-peer-urls={_PEERS}",
            f"--initial-advertise-peer-urls={_PEERS}",
            f"--initial-cluster=default={_PEERS}",
            "--log-level=warn",
        ]
        if not self.fsync:
            arguments.append("--unsafe-no-fsync")
        return self._program("etcd", self.binaries.etcd, *arguments, ready=self._etcd_ready, address=_CLIENTS)

    def apiserver(self) -> Program:
        """Return kube-apiserver, on one port of the loopback, with RBAC."""
        made = self.credentials
        return self._program(
            "kube-apiserver",
            self.binaries.kube_apiserver,
            f"--etcd-servers={_CLIENTS}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={made.port}",
            "--endpoint-reconciler-type=none",  # it would refuse the loopback as its endpoint
            "--service-cluster-ip-range=10.0.0.0/24",  # so that it asks no network for one
            f"--cert-dir={made.certificates}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={made.tokens}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={made.account_key}",
            f"--service-account-signing-key-file={made.account_key}",
            "--disable-admission-plugins=ServiceAccount",  # there are no pods
            "--profiling=false",
            ready=self._apiserver_ready,
            address=made.url,
            environment={"GOGC": "50"},
            grace=30.0,
        )

    def controller_manager(self) -> Program:
        """Return kube-controller-manager with the four controllers that make sense without nodes."""
        kubeconfig = self.credentials.controller_manager
        return self._program(
            "kube-controller-manager",
            self.binaries.kube_controller_manager,
            f"--kubeconfig={kubeconfig}",
            f"--controllers={','.join(_CONTROLLERS)}",
            "--use-service-account-credentials=true",  # each controller has its own rights, not all of them
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
            ready=self._controllers_ready,
        )

    def _program(self, name: str, binary: Path, *arguments: str, environment: Any = None, **rest: Any) -> Program:
        return Program(
            name=name,
            argv=(str(binary), *arguments),
            cwd=self.credentials.folder,
            env=clean_environment(**(environment or {})),
            log=self.logs / f"{name}.log",
            **rest,
        )

    async def _etcd_ready(self) -> bool:
        answer = await ask_socket(self.credentials.folder / "etcd:0", "/health")
        return answer.status == 200

    async def _apiserver_ready(self) -> bool:
        return (await self._ask("/readyz")).status == 200

    async def _controllers_ready(self) -> bool:
        # The ServiceAccount that its controller gives each namespace: on the first start it is the sign of life.
        path = "/api/v1/namespaces/default/serviceaccounts/default"
        return (await self._ask(path, self.credentials.admin_token())).status == 200

    async def _ask(self, path: str, token: str | None = None) -> Answer:
        try:
            tls = ssl.create_default_context(cafile=str(self.credentials.authority))
        except (OSError, ssl.SSLError):
            return NOTHING  # not made yet, or half written
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await ask_port(self.credentials.port, path, tls=tls, headers=headers)
