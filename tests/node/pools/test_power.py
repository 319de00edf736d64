"""A node's power goes, and the node with it; and it comes back."""

import json

from tests.node.commands import until
from tests.node.pools.shop import POOL, Shop


async def test_the_agent_of_a_node_that_is_gone_goes_and_comes_back_as_what_it_was(shop: Shop) -> None:
    ids, machine = await shop.ids(), shop.node.machines["node-2"]
    job = await shop.hold("hold-2")
    await machine.off()
    await shop.node.kubectl("delete", "node", machine.name)

    async def is_gone() -> bool:
        left = [f"{POOL}.node-1"]
        return list(await shop.agents()) == left and (await shop.pool())["status"]["agents"] == left

    try:
        await until(is_gone, "the end of the Agent")
        await shop.ready(1)
        ended = await shop.ended(job)
        assert (ended["phase"], ended["reason"]) == ("Failed", "agent_lost")
    finally:
        # Who takes a machine back declares its Node: a kubelet without one first waits a minute for nothing.
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": machine.name}}
        await shop.node.kubectl("create", "-f", "-", given=json.dumps(body))
        await machine.on()
    await shop.ready(2)
    assert await shop.ids() == ids
    assert await shop.runs(job) == 1
    await shop.takes_runs()
