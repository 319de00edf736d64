"""The audit log of the session's kube-apiserver tells what a part does, and keeps no bodies."""

from pathlib import Path

import pytest

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.local.accounts import Account
from tests.auditing.deeds import SYSTEM, Deed
from tests.auditing.plugin import auditor_of
from tests.kube.serving import until

LEASES = "/apis/coordination.k8s.io/v1/namespaces/deplite-system/leases"


async def test_a_request_of_a_part_is_in_the_log(request: pytest.FixtureRequest, accounts: dict[str, Account]) -> None:
    auditor = auditor_of(request.config)
    client = await KubeClient.connect(accounts["operator"].kubeconfig, "deplite-operator")
    with pytest.raises(NotFoundError):
        await client.connection.request("GET", f"{LEASES}/nobodys")
    await client.close()

    async def is_told() -> bool:
        auditor.fold()
        return Deed("operator", "get", "coordination.k8s.io", "leases", SYSTEM) in auditor.ledger.done

    await until(is_told, True)
    lines = [line for log in auditor.logs() for line in log.read_text().splitlines()]
    assert any("leases/nobodys" in line for line in lines)
    assert not any("requestObject" in line or "responseObject" in line for line in lines)


async def test_what_is_no_parts_is_not_in_it(request: pytest.FixtureRequest, kube: KubeClient) -> None:
    path = "/api/v1/namespaces/default/configmaps/nobody-asked-before"
    with pytest.raises(NotFoundError):
        await kube.connection.request("GET", path)
    assert not any(Path(path).name in log.read_text() for log in auditor_of(request.config).logs())
