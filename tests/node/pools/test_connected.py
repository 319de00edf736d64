"""A pool's agents are there: one a node, with nothing stored for it anywhere."""

import secrets

from tests.node.commands import until
from tests.node.pools.shop import FOLDER, ORGANIZATION, POOL, WORKFLOWS, Shop


async def test_each_node_has_an_agent_that_needs_no_stored_key(shop: Shop) -> None:
    agents = await shop.agents()
    assert set(agents) == {"web.node-1", "web.node-2"}
    assert {one["status"]["state"] for one in agents.values()} == {"Connected"}
    assert set(await shop.ids()) == {"node-1", "node-2"}
    table = (await shop.node.kubectl("-n", ORGANIZATION, "get", "agentpools")).splitlines()
    assert [line.split()[:5] for line in table] == [
        ["NAME", "DESIRED", "CONNECTED", "READY", "REASON"],
        [POOL, "2", "2", "True", "Available"],
    ]
    assert {one["metadata"]["name"] for one in await shop.read("secrets")} == {"ci"}
    for node, pod in (await shop.pods()).items():
        assert agents[f"{POOL}.{node}"]["status"]["pod"]["uid"] == pod["metadata"]["uid"]
        assert not [volume for volume in pod["spec"]["volumes"] if "hostPath" in volume or "secret" in volume]


async def test_an_edit_of_the_workflows_reaches_the_agents_without_a_restart(shop: Shop) -> None:
    before, said = await shop.pods(), f"Counted anew: {secrets.token_hex(4)}"
    files = {path.name: path.read_text() for path in (FOLDER / "workflows").iterdir()}
    await shop.workflows(files | {"count.yaml": files["count.yaml"] + f'description: "{said}"\n'})

    async def told() -> bool:
        return all(said in str(one["status"]) for one in (await shop.agents()).values())

    await until(told, "the new workflow")
    await shop.takes_runs()
    after = await shop.pods()
    for node, pod in before.items():
        assert after[node]["metadata"]["uid"] == pod["metadata"]["uid"]
        (container,) = after[node]["status"]["containerStatuses"]
        assert container["restartCount"] == pod["status"]["containerStatuses"][0]["restartCount"]


async def test_workflows_come_from_the_image_where_no_config_map_is_named(shop: Shop) -> None:
    image = "deplite-node/agent-with-workflows:1"
    await shop.change(image=image, workflows=None)
    await shop.node.kubectl("-n", ORGANIZATION, "delete", "configmap", WORKFLOWS)
    await shop.ready(2)
    pods = await shop.pods()
    for pod in pods.values():
        assert [one["image"] for one in pod["spec"]["containers"]] == [image]
        assert not [volume for volume in pod["spec"]["volumes"] if "configMap" in volume]

    async def told() -> bool:
        agents = (await shop.agents()).values()
        return all("baked" in {one["name"] for one in agent["status"]["workflows"]} for agent in agents)

    await until(told, "the workflow of the image")
    await shop.takes_runs()
