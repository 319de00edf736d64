"""Pods come and go in every way; the agents are the same two."""

import asyncio
from contextlib import suppress

from tests.node.commands import CommandError, until
from tests.node.pools.shop import ORGANIZATION, POOL, Object, Shop

KILL = "for one in /proc/[0-9]*; do grep -qs deplite-[a]gent $one/cmdline && kill -9 ${one#/proc/}; done; :"
ROUNDS = ("kill", "force", "delete", "force", "kill", "delete", "force", "delete", "kill", "force")
"""For each node."""
BUSY = (0, 1, 2)
"""Rounds in which a deploy runs."""


async def restarted(shop: Shop, node: str, how: str) -> None:
    """Restart the pod of a node, and wait for the agent from the pod that comes."""
    pod = (await shop.pods())[node]
    name = pod["metadata"]["name"]
    if how == "kill":
        with suppress(CommandError):  # the shell may go with the container before it has ended
            await shop.node.kubectl("-n", ORGANIZATION, "exec", name, "--", "sh", "-c", KILL)
    else:
        force = ("--force", "--grace-period=0") if how == "force" else ()
        await shop.node.kubectl("-n", ORGANIZATION, "delete", "pod", name, "--wait=false", *force)

    async def is_back() -> bool:
        now = (await shop.pods()).get(node)
        if now is None or started(now) == started(pod) or not started(now):
            return False
        agent = (await shop.agents())[f"{POOL}.{node}"]["status"]
        return bool(agent["state"] == "Connected" and agent["pod"]["uid"] == now["metadata"]["uid"])

    await until(is_back, f"the agent of {node} after {how}")


def started(pod: Object) -> str:
    """Return which run of a pod's container this is."""
    statuses = pod["status"].get("containerStatuses", [])
    return str(statuses[0].get("containerID", "")) if statuses else ""


async def test_twenty_restarts_leave_no_ghosts(shop: Shop) -> None:
    ids, before = await shop.ids(), await shop.agents()

    async def wear(number: int) -> dict[str, str]:
        crashed = {}
        for turn, how in enumerate(ROUNDS):
            job = await shop.hold(f"hold-{number}") if turn in BUSY else None
            restart = asyncio.create_task(restarted(shop, f"node-{number}", how))
            if job is not None and how == "delete":
                await shop.let_go(job)
            await restart
            if job is not None:
                crashed[job] = how
        return crashed

    worn = await asyncio.gather(wear(1), wear(2))
    for job, how in (worn[0] | worn[1]).items():
        ended = await shop.ended(job)
        wanted = ("Succeeded", None) if how == "delete" else ("Failed", "agent_crashed")
        assert (ended["phase"], ended.get("reason")) == wanted, (how, ended)
        assert await shop.runs(job) == 1
    await shop.takes_runs()
    await shop.ready(2)
    after = await shop.agents()
    assert await shop.ids() == ids
    assert {name: one["metadata"]["uid"] for name, one in after.items()} == {
        name: one["metadata"]["uid"] for name, one in before.items()
    }
    replaced = [one["status"]["replacedPods"] for one in after.values()]
    assert all(7 <= len(uids) <= 16 and len(set(uids)) == len(uids) for uids in replaced)
