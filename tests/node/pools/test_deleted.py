"""A pool is deleted while it deploys: nothing of it stays, and nothing stays unfinished."""

from tests.node.commands import until
from tests.node.pools.shop import ORGANIZATION, POOL, Shop


async def test_nothing_is_left_of_a_pool_that_is_deleted(shop: Shop) -> None:
    running = await shop.hold("turn-1")
    queued = await shop.fire("turn-1")
    await shop.node.kubectl("-n", ORGANIZATION, "delete", "agentpool", POOL)

    async def nothing_is_left() -> bool:
        left = await shop.read("agentpools,daemonsets,controllerrevisions,serviceaccounts,pods,agents")
        return {one["metadata"]["name"] for one in left} == {"default"}

    await until(nothing_is_left, "the end of what the pool had")
    for job, wanted, runs in ((running, "agent_lost", 1), (queued, "expired", 0)):
        ended = await shop.ended(job)
        assert ended["reason"] == wanted, ended
        assert await shop.runs(job) == runs
    await shop.declare()
    await shop.takes_runs()
