"""`deplite up`: starts everything on this machine, each part as soon as it can work, and keeps it running."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from deplite.local import enrollment, installation, parts
from deplite.local.accounts import Account, Accounts, person_kubeconfig
from deplite.local.api import Api
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane, find_or_build
from deplite.local.down import STOP_ORDER
from deplite.local.envfile import write_env
from deplite.local.errors import LocalError
from deplite.local.examples import copy_examples
from deplite.local.firstdeploy import WORKFLOW, Webhook, ensure_webhook, run_deploy
from deplite.local.issuer import OWNER, Issuer
from deplite.local.layout import Layout, write_private
from deplite.local.objectstore import PURPOSES as STORE_PURPOSES
from deplite.local.objectstore import ObjectStore
from deplite.local.progress import Steps
from deplite.local.session import Session
from deplite.local.supervisor import Supervisor
from deplite.local.together import together
from deplite.local.valkey import PURPOSE as VALKEY_PURPOSE
from deplite.local.valkey import Valkey
from deplite.rights import PARTS, account_name

KUBE_PURPOSE = "kube-apiserver"
API_PURPOSE = "apiserver"
OPERATOR_PURPOSE = "operator"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the person asked for."""

    layout: Layout
    organization: str | None = None
    """None: that of the last run, else `org-demo`."""
    kubeconfig: Path | None = None
    """A cluster to use in place of one of our own."""
    port: int | None = None
    """Of the apiserver; None: that of the last run, else a free one."""
    replicas: int = 1
    """How many apiservers; more than one share a Valkey."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the person needs to know once everything runs."""

    layout: Layout
    url: str
    organization: str
    kubeconfig: Path
    webhook: Webhook | None
    """None: it could not be made."""
    jwt: str = field(repr=False)


class Up:
    """One run, from the first process to the last."""

    def __init__(self, options: Options, steps: Steps) -> None:
        self._options = options
        self._layout = options.layout
        self._steps = steps
        self._session = Session(options.layout, steps)
        self._supervisor = Supervisor(steps.say, self._save_parts)
        self._issuer: Issuer
        self._storage: asyncio.Future[parts.Storage]
        self._cluster: Cluster | None = None
        self._accounts: Accounts
        self._issued: dict[str, Account] = {}

    async def run(self, announce: Callable[[Summary], None]) -> None:
        """Start everything, run one deploy, announce that, and stay until cancelled; then stop everything.

        Raises:
            DepliteError: something did not start, or the deploy failed; everything is stopped again.
        """
        with self._session.opened(self._options.organization, self._options.port, self._purposes()):
            self._issuer = Issuer.open(self._layout.issuer)
            try:
                async with Api(self._url, self._session.organization, self._jwt) as api:
                    announce(await self._start(api))
                    accounts = tuple(self._issued.values())
                    await together(self._supervisor.watch(), self._accounts.keep_fresh(accounts, self._steps.say))
            finally:
                await self._stop()

    def hurry(self) -> None:
        """Kill whatever is still being stopped."""
        self._supervisor.kill()

    def _purposes(self) -> tuple[str, ...]:
        own = () if self._options.kubeconfig else (KUBE_PURPOSE,)
        several = (VALKEY_PURPOSE, *(f"{API_PURPOSE}-{number}" for number in self._numbers)) if self._numbers else ()
        return (API_PURPOSE, OPERATOR_PURPOSE, *own, *STORE_PURPOSES, *several)

    @property
    def _numbers(self) -> range:
        """The replicas' numbers; none where there is one apiserver."""
        return range(1, self._options.replicas + 1) if self._options.replicas > 1 else range(0)

    async def _start(self, api: Api) -> Summary:
        copy_examples(self._layout)
        self._storage = asyncio.get_running_loop().create_future()
        await together(self._start_storage(), self._start_cluster_side())
        webhook = await self._deploy(api, await self._start_agent(api))
        summary = Summary(
            layout=self._layout,
            url=self._url,
            organization=self._session.organization,
            kubeconfig=self._layout.kubeconfig,
            webhook=webhook,
            jwt=self._jwt(),
        )
        _write_env(summary)
        return summary

    async def _deploy(self, api: Api, agent_id: str) -> Webhook | None:
        """Run the example; one that was changed and fails is no reason to stop everything else."""
        webhook = None
        try:
            webhook = await ensure_webhook(api, self._layout, agent_id, self._session.state.trigger_id)
            self._session.save(trigger_id=webhook.trigger_id)
            await run_deploy(api, webhook, self._steps)
        except LocalError as error:
            self._steps.say(f"The example did not run through: {error}. Everything else is up.")
        return webhook

    async def _start_storage(self) -> None:
        store = ObjectStore(self._layout.objectstore, self._session.state.ports, logs=self._layout.logs)
        with self._steps.step("Object store"):
            store.prepare()
            for program in store.programs():
                named = replace(program, name="seaweedfs", log=self._layout.log("seaweedfs"))
                await self._supervisor.start(named)
        self._storage.set_result(
            parts.Storage(
                endpoint=store.endpoint,
                bucket=store.bucket,
                region=store.region,
                access_key_file=store.access_key_file,
                secret_key_file=store.secret_key_file,
            )
        )

    async def _start_cluster_side(self) -> None:
        admin = self._options.kubeconfig or await self._start_control_plane()
        self._cluster = await Cluster.connect(admin)
        self._accounts = Accounts(self._cluster, self._layout.accounts, admin)
        with self._steps.step("Kinds, accounts and rights"):
            await installation.install(self._cluster)
            for part in PARTS:
                self._issued[part] = await self._accounts.issue(account_name(part))
        await together(self._install_organization(admin), self._start_operator(), self._start_apiservers())

    async def _start_control_plane(self) -> Path:
        with self._steps.step("Programs of the control plane") as step:
            binaries = await find_or_build(step.advance)
        plane = ControlPlane(self._layout.controlplane, binaries, self._port(KUBE_PURPOSE), logs=self._layout.logs)
        plane.prepare()
        for program in plane.programs():
            with self._steps.step(program.name):
                await self._supervisor.start(program)
        return plane.kubeconfig

    async def _install_organization(self, admin: Path) -> None:
        assert self._cluster is not None
        organization = self._session.organization
        with self._steps.step(f"Organization {organization}"):
            await installation.install_organization(self._cluster, organization)
        write_private(self._layout.kubeconfig, json.dumps(person_kubeconfig(admin, organization), indent=2))

    async def _start_operator(self) -> None:
        program = parts.operator(
            self._layout,
            self._port(OPERATOR_PURPOSE),
            self._port(API_PURPOSE),
            self._issued["operator"].kubeconfig,
        )
        with self._steps.step("Operator"):
            await self._supervisor.start(program)

    async def _start_apiservers(self) -> None:
        replicas = await self._start_valkey() if self._numbers else [None]
        storage = await self._storage
        await together(*(self._start_apiserver(storage, replica) for replica in replicas))

    async def _start_apiserver(self, storage: parts.Storage, replica: parts.Replica | None) -> None:
        program = parts.apiserver(
            self._layout,
            self._port(API_PURPOSE),
            self._issued["apiserver"].kubeconfig,
            self._issuer.issuers_file,
            storage,
            replica,
        )
        with self._steps.step("Apiserver" if replica is None else f"Apiserver {replica.number}") as step:
            await self._supervisor.start(program)
            step.note = program.address or ""

    async def _start_valkey(self) -> list[parts.Replica | None]:
        """Start what replicas share, and return them."""
        valkey = Valkey(self._layout.valkey, self._port(VALKEY_PURPOSE), self._layout.log(VALKEY_PURPOSE))
        with self._steps.step("Valkey"):
            valkey.prepare()
            await self._supervisor.start(valkey.program())
        if sys.platform != "linux":
            self._steps.say(
                f"This system does not spread connections to {self._url} over the apiservers: one of them gets all, "
                "until it ends. `deplite status` shows the address of each."
            )
        return [
            parts.Replica(number, self._port(f"{API_PURPOSE}-{number}"), valkey.url, valkey.password_file)
            for number in self._numbers
        ]

    async def _start_agent(self, api: Api) -> str:
        with self._steps.step("Agent") as step:
            planned = await enrollment.prepare(api, self._layout, self._session.state.agent_id)
            watch = enrollment.AgentWatch(api, planned, WORKFLOW)
            port = self._port(API_PURPOSE)
            first = parts.agent(self._layout, port, watch.ready, planned.code)
            await self._supervisor.start(first, again=parts.agent(self._layout, port, watch.ready))
            step.note = f"{watch.agent_id}, {'enrolled' if planned.code else 'the same as before'}"
        assert watch.agent_id is not None
        self._session.save(agent_id=watch.agent_id)
        return watch.agent_id

    async def _stop(self) -> None:
        await self._supervisor.stop(STOP_ORDER, lambda name: self._steps.step(f"Stop {name}"))
        if self._cluster is not None:
            await self._cluster.close()

    @property
    def _url(self) -> str:
        return parts.public_url(self._port(API_PURPOSE))

    def _jwt(self) -> str:
        return self._issuer.token(OWNER, datetime.now(UTC))

    def _port(self, purpose: str) -> int:
        return self._session.state.ports[purpose]

    def _save_parts(self) -> None:
        self._session.save(parts=self._supervisor.states())


def _write_env(summary: Summary) -> None:
    write_env(
        summary.layout,
        {
            "DEPLITE_URL": summary.url,
            "DEPLITE_ORG_ID": summary.organization,
            "DEPLITE_JWT": summary.jwt,
            "KUBECONFIG": os.fspath(summary.kubeconfig),
        },
    )
