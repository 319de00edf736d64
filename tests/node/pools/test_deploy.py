"""A webhook rolls out another Deployment of the cluster, by the rights of the pool's ServiceAccount."""

from tests.node.pools.shop import SHOP, Shop


async def version(shop: Shop) -> tuple[str, int]:
    """Return which version the Deployment is to have, and how many pods have it and are ready."""
    (deployment,) = await shop.read("deployments", namespace=SHOP)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container["env"][0]["value"], deployment["status"].get("updatedReplicas", 0)


async def test_a_webhook_rolls_out_a_deployment(shop: Shop) -> None:
    job = await shop.ended(await shop.fire("roll-out", "v2"))
    assert job["phase"] == "Succeeded"
    assert await version(shop) == ("v2", 1)
    pods = await shop.read("pods", "-l", "app=web", "--field-selector", "status.phase=Running", namespace=SHOP)
    assert "v2" in {pod["spec"]["containers"][0]["env"][0]["value"] for pod in pods}


async def test_a_rollout_that_fails_is_a_deploy_that_failed(shop: Shop) -> None:
    job = await shop.fire("roll-out", "broken")
    ended = await shop.ended(job)
    assert (ended["phase"], ended["reason"]) == ("Failed", "exit_code"), ended
    assert ended["exitCode"] == 1
    log = str(await shop.ask("GET", f"/jobs/{job}/logs", shop.owner))
    assert "timed out waiting" in log
    assert (await shop.ended(await shop.fire("roll-out", "v3")))["phase"] == "Succeeded"
    assert await version(shop) == ("v3", 1)
