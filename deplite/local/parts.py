"""Our own parts as programs: what each is called with; their environment is a contract (docs/architecture.md)."""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deplite.local.accounts import SYSTEM_NAMESPACE
from deplite.local.layout import Layout
from deplite.local.ports import HOST
from deplite.local.probe import ask_port
from deplite.local.process import Program, clean_environment
from deplite.proxies import SPARED

AGENT_NAME = "local"
LEASE_SECONDS = "10/8/0.5"
"""Shorter than in a cluster: after a kill, the next operator waits for the Lease of the killed one to end. Long enough
for a machine that stands still for some seconds: an operator that cannot renew its Lease ends."""
_LIMITS = (
    "DEPLITE_LOST_SECONDS",
    "DEPLITE_MAX_UNFINISHED_JOBS",
    "DEPLITE_MAX_OBJECTS",
    "DEPLITE_MAX_FILE_BYTES",
    "DEPLITE_MAX_STORAGE_BYTES",
    "DEPLITE_MAX_FILES",
    "DEPLITE_MAX_LOG_BYTES",
    "DEPLITE_MAX_LOG_LINES",
    "DEPLITE_LOG_BYTES_PER_SECOND",
    "DEPLITE_LOG_BURST_BYTES",
    "DEPLITE_LOG_REQUESTS_PER_SECOND",
)
"""Settings of the apiserver that `deplite up` passes on."""
_SLACK = ("DEPLITE_SLACK_CLIENT_ID", "DEPLITE_SLACK_URL")
_WAY_OUT = ("HTTPS_PROXY", "https_proxy", *SPARED)
"""The proxy that leads to Slack and to issuers, where there is one."""
_SLACK_FILES = ("DEPLITE_SLACK_CLIENT_SECRET_FILE", "DEPLITE_SLACK_SIGNING_SECRET_FILE")
"""As those above; the parts have another working directory, so these paths are passed on whole."""
_GRACE = 15.0
"""Seconds that a part of ours may take to end: the agent tells its steps to stop first."""


@dataclass(frozen=True)
class Storage:
    """How the apiserver reaches the object store."""

    endpoint: str
    bucket: str
    region: str
    access_key_file: Path
    secret_key_file: Path


@dataclass(frozen=True)
class Replica:
    """One of several apiservers."""

    number: int
    """From 1 on."""
    port: int
    """Its own; it listens on the public one as well."""
    redis_url: str
    redis_password_file: Path

    @property
    def name(self) -> str:
        """The part's name."""
        return f"apiserver-{self.number}"

    def environment(self, public_port: int) -> dict[str, str]:
        """Return what it is told beside what one alone is told."""
        return {
            "DEPLITE_LISTEN": f"{HOST}:{self.port}",
            "DEPLITE_SHARED_LISTEN": f"{HOST}:{public_port}",
            "DEPLITE_REDIS_URL": self.redis_url,
            "DEPLITE_REDIS_PASSWORD_FILE": str(self.redis_password_file),
        }


def apiserver(
    layout: Layout, port: int, kubeconfig: Path, issuers: Path, storage: Storage, replica: Replica | None = None
) -> Program:
    """Return the apiserver on a loopback port; a replica has one of its own, and shares that one with the others."""
    own_port = port if replica is None else replica.port
    return _part(
        layout,
        "apiserver" if replica is None else replica.name,
        "deplite_apiserver.main",
        clean_environment(
            KUBECONFIG=str(kubeconfig),
            DEPLITE_LISTEN=f"{HOST}:{port}",
            DEPLITE_PUBLIC_URL=told_url(port),
            DEPLITE_SYSTEM_NAMESPACE=SYSTEM_NAMESPACE,
            DEPLITE_JWT_ISSUERS=str(issuers),
            DEPLITE_S3_ENDPOINT=storage.endpoint,
            DEPLITE_S3_BUCKET=storage.bucket,
            DEPLITE_S3_REGION=storage.region,
            DEPLITE_S3_ACCESS_KEY_FILE=str(storage.access_key_file),
            DEPLITE_S3_SECRET_KEY_FILE=str(storage.secret_key_file),
            DEPLITE_LOG_FORMAT="text",
            **{name: os.environ[name] for name in (*_LIMITS, *_SLACK) if name in os.environ},
            **{name: str(Path(os.environ[name]).absolute()) for name in _SLACK_FILES if os.environ.get(name)},
            **{name: os.environ[name] for name in _WAY_OUT if name in os.environ},
        )
        | ({} if replica is None else replica.environment(port)),
        _answers(own_port, "/readyz"),
        address=public_url(own_port),
    )


def operator(layout: Layout, port: int, api_port: int, kubeconfig: Path) -> Program:
    """Return the operator; its port serves nothing but its own probes."""
    return _part(
        layout,
        "operator",
        "deplite_operator.main",
        clean_environment(
            KUBECONFIG=str(kubeconfig),
            DEPLITE_SYSTEM_NAMESPACE=SYSTEM_NAMESPACE,
            DEPLITE_PUBLIC_URL=told_url(api_port),
            DEPLITE_PROBE_LISTEN=f"{HOST}:{port}",
            DEPLITE_LEASE_SECONDS=LEASE_SECONDS,
            DEPLITE_LOG_FORMAT="text",
        ),
        _answers(port, "/readyz"),
        address=f"http://{HOST}:{port}",
    )


def agent(
    layout: Layout, api_port: int, ready: Callable[[], Awaitable[bool]], enrollment_code: str | None = None
) -> Program:
    """Return the agent; an enrolment code for its first start."""
    # A workflow may take a secret from the agent's environment, so it gets all of ours but what means something else.
    environment = {name: value for name, value in os.environ.items() if _passes(name)}
    environment |= {
        "DEPLITE_URL": public_url(api_port),
        "DEPLITE_NAME": AGENT_NAME,
        "DEPLITE_STATE_DIR": str(layout.agent),
        "DEPLITE_WORKFLOWS_DIR": str(layout.workflows),
        "DEPLITE_SECRETS_DIR": str(layout.secrets),
        # With the ten seconds that a step has to end, this fits into the grace.
        "DEPLITE_DRAIN_SECONDS": "3",
    }
    if enrollment_code is not None:
        environment["DEPLITE_TOKEN"] = enrollment_code
    return _part(layout, "agent", "deplite_agent.main", environment, ready, umask=-1)


def _passes(name: str) -> bool:
    """Whether a variable of ours means the same to the agent."""
    return name == "DEPLITE_FAILPOINTS" or not (name.startswith("DEPLITE_") or name == "KUBECONFIG")


def public_url(port: int) -> str:
    """Return where the apiserver and the dashboard are."""
    return f"http://{HOST}:{port}"


def told_url(port: int) -> str:
    """Return where others reach the apiserver: `DEPLITE_PUBLIC_URL` (a tunnel's address, say), else this machine's."""
    return os.environ.get("DEPLITE_PUBLIC_URL") or public_url(port)


def _part(
    layout: Layout,
    name: str,
    module: str,
    environment: Mapping[str, str],
    ready: Callable[[], Awaitable[bool]],
    *,
    address: str | None = None,
    umask: int = 0o077,
) -> Program:
    return Program(
        name=name,
        # -P: the working directory is no place to import from.
        argv=(sys.executable, "-P", "-m", module),
        cwd=layout.root,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        log=layout.log(name),
        ready=ready,
        address=address,
        grace=_GRACE,
        umask=umask,
    )


def _answers(port: int, path: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return (await ask_port(port, path)).status == 200

    return ready
