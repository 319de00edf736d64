"""Identities of the parts: files, renewal, and kubeconfigs that hold no token."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import yaml

from deplite.local import accounts
from deplite.local.accounts import Accounts, kubeconfig, person_kubeconfig, target_of
from deplite.local.cluster import AccountToken, Cluster
from deplite.local.errors import LocalError

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeCluster:
    def __init__(self) -> None:
        self.now = START
        self.asked: list[tuple[str, str, int]] = []
        self.refuse = False

    async def create_token(self, namespace: str, account: str, seconds: int) -> AccountToken:
        if self.refuse:
            raise LocalError("no")
        self.asked.append((namespace, account, seconds))
        return AccountToken(f"token-{len(self.asked)}", self.now + timedelta(seconds=seconds))


@pytest.fixture
def admin(tmp_path: Path) -> Path:
    path = tmp_path / "admin.kubeconfig"
    document = {
        "current-context": "b",
        "contexts": [
            {"name": "a", "context": {"cluster": "wrong", "user": "u"}},
            {"name": "b", "context": {"cluster": "right", "user": "u"}},
        ],
        "clusters": [
            {"name": "wrong", "cluster": {"server": "https://wrong"}},
            {"name": "right", "cluster": {"server": "https://right", "certificate-authority": "ca.crt"}},
        ],
        "users": [{"name": "u", "user": {"client-certificate": "me.crt", "client-key": "me.key"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def issuing(cluster: FakeCluster, folder: Path, admin: Path) -> Accounts:
    return Accounts(cast(Cluster, cluster), folder, admin, lambda: cluster.now)


async def test_an_account_is_a_kubeconfig_that_names_a_private_token_file(
    tmp_path: Path, admin: Path, cluster: FakeCluster
) -> None:
    account = await issuing(cluster, tmp_path, admin).issue("deplite-operator")
    assert cluster.asked == [("deplite-system", "deplite-operator", 3600)]
    assert account.token_file.read_text() == "token-1"
    assert account.token_file.stat().st_mode & 0o777 == 0o600
    written = json.loads(account.kubeconfig.read_text())
    assert "token-1" not in account.kubeconfig.read_text()
    assert written["users"][0]["user"] == {"tokenFile": str(account.token_file)}
    assert written["clusters"][0]["cluster"]["server"] == "https://right"


async def test_a_token_is_renewed_after_two_thirds_of_its_life(
    tmp_path: Path, admin: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "CHECK_SECONDS", 0)
    issuer = issuing(cluster, tmp_path, admin)
    account = await issuer.issue("deplite-operator")
    said: list[str] = []
    renewing = asyncio.create_task(issuer.keep_fresh((account,), said.append))
    cluster.now = START + timedelta(minutes=39)
    await asyncio.sleep(0.01)
    assert account.token_file.read_text() == "token-1"
    cluster.refuse = True
    cluster.now = START + timedelta(minutes=41)
    async with asyncio.timeout(60):
        while not said:
            await asyncio.sleep(0.01)
    assert "could not be renewed" in said[0]
    cluster.refuse = False
    async with asyncio.timeout(60):
        while account.token_file.read_text() == "token-1":
            await asyncio.sleep(0.01)
    assert account.token_file.read_text() == "token-2"
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)


def test_files_beside_a_kubeconfig_are_named_absolutely(admin: Path) -> None:
    assert target_of(admin)["certificate-authority"] == str(admin.parent / "ca.crt")
    person = person_kubeconfig(admin, "org-demo")
    assert person["users"][0]["user"]["client-key"] == str(admin.parent / "me.key")
    assert [entry["context"].get("namespace") for entry in person["contexts"]] == [None, "org-demo"]


@pytest.mark.parametrize("content", ["", "a: [", "current-context: x\ncontexts: []\n"])
def test_what_is_no_kubeconfig_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken"
    path.write_text(content)
    with pytest.raises(LocalError, match="is no kubeconfig"):
        target_of(path)


def test_a_token_is_in_no_repr() -> None:
    assert "secret" not in repr(AccountToken("secret", START))
    assert "/t" in str(kubeconfig({}, "me", Path("/t")))
