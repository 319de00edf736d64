"""The identity of each part: a ServiceAccount, its token in a file that is renewed before it ends, and a kubeconfig.

The kubeconfig names the token file, so a part sees the renewed token without a restart.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from deplite.errors import DepliteError
from deplite.local.cluster import Cluster
from deplite.local.errors import LocalError
from deplite.local.layout import write_private

SYSTEM_NAMESPACE = "deplite-system"
TOKEN_LIFETIME = timedelta(hours=1)
CHECK_SECONDS = 30.0
"""How often the wall clock is looked at: a laptop that slept has an ended token when it wakes."""


@dataclass(frozen=True)
class Account:
    """The files of one part's identity."""

    name: str
    """Of the ServiceAccount."""
    kubeconfig: Path
    token_file: Path


class Accounts:
    """Writes and renews the tokens of the parts."""

    def __init__(
        self, cluster: Cluster, folder: Path, admin_kubeconfig: Path, now: Callable[[], datetime] | None = None
    ) -> None:
        """Begin with no account issued.

        Args:
            cluster: a connection that may ask for tokens.
            folder: where the files go, 0700.
            admin_kubeconfig: names the cluster that the parts shall use.
            now: the present moment, UTC.
        """
        self._cluster = cluster
        self._folder = folder
        self._target = target_of(admin_kubeconfig)
        self._now = now or (lambda: datetime.now(UTC))
        self._due: dict[str, datetime] = {}

    async def issue(self, name: str) -> Account:
        """Return the account of a part, with a fresh token; its ServiceAccount exists already."""
        account = Account(name, self._folder / f"{name}.kubeconfig", self._folder / f"{name}.token")
        await self._renew(account)
        write_private(account.kubeconfig, json.dumps(kubeconfig(self._target, name, account.token_file), indent=2))
        return account

    async def keep_fresh(self, accounts: tuple[Account, ...], say: Callable[[str], None]) -> None:
        """Renew each token when two thirds of its life are over, for ever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for account in accounts:
                if self._now() >= self._due[account.name]:
                    try:
                        await self._renew(account)
                    except DepliteError as error:
                        say(f"The token of {account.name} could not be renewed, trying again soon: {error}")

    async def _renew(self, account: Account) -> None:
        asked = self._now()
        granted = await self._cluster.create_token(SYSTEM_NAMESPACE, account.name, int(TOKEN_LIFETIME.total_seconds()))
        write_private(account.token_file, granted.token)
        self._due[account.name] = asked + (granted.expires - asked) * 2 / 3


def target_of(path: Path) -> dict[str, Any]:
    """Return the cluster entry of a kubeconfig's current context, with absolute file names.

    Raises:
        LocalError: the file has no current context or is no kubeconfig.
    """
    try:
        document = yaml.safe_load(path.read_text())
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = dict(_named(document["clusters"], context["cluster"])["cluster"])
    except (OSError, KeyError, TypeError, StopIteration, yaml.YAMLError) as error:
        raise LocalError(f"{path} is no kubeconfig with a current context; give another with --kubeconfig") from error
    if "certificate-authority" in cluster:
        cluster["certificate-authority"] = str(path.parent / cluster["certificate-authority"])
    return cluster


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def kubeconfig(cluster: dict[str, Any], user: str, token_file: Path) -> dict[str, Any]:
    """Return a kubeconfig for a user whose token is in a file."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "deplite",
        "clusters": [{"name": "deplite", "cluster": cluster}],
        "users": [{"name": user, "user": {"tokenFile": str(token_file)}}],
        "contexts": [
            {"name": "deplite", "context": {"cluster": "deplite", "user": user, "namespace": SYSTEM_NAMESPACE}}
        ],
    }


def person_kubeconfig(admin_kubeconfig: Path, namespace: str) -> dict[str, Any]:
    """Return the administrator's kubeconfig with another default namespace, for the person at the keyboard."""
    document = yaml.safe_load(admin_kubeconfig.read_text())
    current = _named(document["contexts"], document["current-context"])
    current["context"] = {**current["context"], "namespace": namespace}
    for entry in document["users"]:
        for key in ("tokenFile", "client-certificate", "client-key"):
            if key in entry["user"]:
                entry["user"][key] = str(admin_kubeconfig.parent / entry["user"][key])
    for entry in document["clusters"]:
        if "certificate-authority" in entry["cluster"]:
            entry["cluster"]["certificate-authority"] = str(
                admin_kubeconfig.parent / entry["cluster"]["certificate-authority"]
            )
    return dict(document)
