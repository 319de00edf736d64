"""A pool is rolled while it deploys."""

import asyncio
import secrets

from tests.node.commands import until
from tests.node.pools.shop import ORGANIZATION, Shop


async def test_a_rolling_update_waits_for_deploys_as_long_as_it_may(shop: Shop) -> None:
    before, build = await shop.pods(), secrets.token_hex(4)
    short, long = await asyncio.gather(shop.hold("hold-1"), shop.hold("hold-2"))
    await shop.change(podAnnotations={"shop/build": build})

    async def drains() -> bool:
        logs = [await shop.node.kubectl("-n", ORGANIZATION, "logs", pod["metadata"]["name"]) for pod in before.values()]
        return all("takes no new job" in log for log in logs)

    await until(drains, "the end of the pods")
    queued = await asyncio.gather(shop.fire("count-1"), shop.fire("count-2"))
    assert (await shop.job(short))["phase"] == "Running"
    await shop.let_go(short)
    assert (await shop.ended(short))["phase"] == "Succeeded"
    cut = await shop.ended(long)
    assert (cut["phase"], cut["reason"]) == ("Failed", "agent_crashed")
    for job in queued:
        assert (await shop.ended(job))["phase"] == "Succeeded"
    await shop.ready(2)
    after = await shop.pods()
    assert {pod["metadata"]["annotations"]["shop/build"] for pod in after.values()} == {build}
    for job, pods, node in (
        (short, before, "node-1"),
        (long, before, "node-2"),
        (queued[0], after, "node-1"),
        (queued[1], after, "node-2"),
    ):
        assert (await shop.job(job))["pod"] == pods[node]["metadata"]["uid"]
        assert await shop.runs(job) == 1
