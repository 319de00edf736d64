"""The control plane on one machine, the real one: nothing lost by kill -9, nobody else gets in."""

from deplite.kube.client import KubeClient


async def test_an_organization_is_a_namespace(kube: KubeClient, organization: str) -> None:
    answer = await kube.connection.request("GET", f"/api/v1/namespaces/{organization}")
    assert answer["status"]["phase"] == "Active"
