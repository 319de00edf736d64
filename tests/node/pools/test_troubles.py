"""What is wrong with a pool its status says, whatever a real scheduler and a real kubelet make of it."""

from typing import Any

from tests.node.commands import until
from tests.node.images.recipes import RELEASE
from tests.node.pools.shop import Shop

TROUBLES: dict[str, dict[str, Any]] = {
    "NoNodes": {"nodeSelector": {"shop": "closed"}},
    "PodsUnschedulable": {"resources": {"requests": {"cpu": "1000"}}},
    "ImagePullFailing": {"image": "deplite-node/absent:1"},
    "PodsFailing": {"image": f"deplite/operator:{RELEASE}"},  # ends at once: it is told nothing that it needs
    "AgentsNotConnected": {"image": "deplite-node/pause:1"},  # goes on, and is no agent
}


async def test_each_trouble_is_told_by_its_name_and_passes(shop: Shop) -> None:
    ids = await shop.ids()
    fields = {field for spec in TROUBLES.values() for field in spec}
    before = (await shop.pool())["spec"]
    for reason, spec in TROUBLES.items():
        await shop.change(**({field: before.get(field) for field in fields} | spec))

        async def is_told(reason: str = reason) -> bool:
            return (await shop.verdict())[:2] == ("False", reason)

        await until(is_told, reason)
        wanted = 0 if reason == "NoNodes" else 2
        status = (await shop.pool())["status"]
        assert (status["desired"], status["ready"]) == (wanted, 0)
    await shop.change(**{field: before.get(field) for field in fields})
    await shop.ready(2)
    assert await shop.ids() == ids
    await shop.takes_runs()
