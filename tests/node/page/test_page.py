"""docs/kubernetes.md, typed in its own order: each test goes on where the one before it ended."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from tests.node.commands import until
from tests.node.page.reader import Reader, to_type

WORKFLOWS = Path(__file__).parent / "workflows"


def node_of(pod: Any) -> str:
    return str(pod["spec"].get("nodeName"))


async def test_install(reader: Reader) -> None:
    assert "once more" in await reader.follow("Install")
    assert "once more" not in await reader.follow("Install", 1)


async def test_sign_in(reader: Reader) -> None:
    assert (await reader.follow("Sign in")).endswith("[]")


async def test_agents_as_pods(reader: Reader) -> None:
    lines = (await reader.follow("Agents as pods")).splitlines()
    agents = [line.split()[0] for line in lines if line.startswith("agent.deplite.io/")]
    assert agents == [f"agent.deplite.io/web.{node}" for node in reader.node.machines]
    shown = await reader.node.kubectl("-n", "org-shop", "get", "agentpool", "web", "-o", "wide")
    assert "Each of the 2 nodes has a connected agent." in shown


async def test_a_trigger_and_a_key(reader: Reader) -> None:
    await reader.follow("A trigger, and a key for CI")
    await reader.follow("A trigger, and a key for CI", 1)
    assert (await reader.variable("WEBHOOK")).startswith("http://127.0.0.1:8080/")


async def test_deploy(reader: Reader) -> None:
    log = await reader.follow("Deploy")
    assert "deployment.apps/web env updated" in log
    assert "successfully rolled out" in log
    assert log.splitlines()[-1] == "success"
    assert (await reader.follow("Deploy", 1)).endswith("version v1.0.0")
    job = await reader.variable("JOB")
    again = await reader.follow("Deploy")
    assert "successfully rolled out" in again
    assert [one["metadata"]["name"] for one in await reader.read("deployjobs")] == [job]
    assert await reader.phase(job) == "Succeeded"


async def test_what_the_trigger_does_not_allow_is_refused(reader: Reader) -> None:
    call = """curl -sS -o /dev/null -w '%{http_code}' -X POST "$WEBHOOK" -H "Authorization: Bearer $KEY" -d"""
    assert await reader.type(f"""{call} '{{"ref": "feature-x"}}'""") == "403"


async def test_change_a_workflow(reader: Reader) -> None:
    pods = set(await reader.pods())
    for file in WORKFLOWS.iterdir():
        shutil.copy(file, reader.folder / "examples/pool/workflows")
    await reader.follow("Change a workflow")

    async def told() -> bool:
        said = [json.dumps(agent["status"]) for agent in await reader.read("agents")]
        return all("one pod after the other" in one for one in said)

    await until(told, "the new workflows")
    assert set(await reader.pods()) == pods
    assert await reader.deploy("v1.0.1") == "version v1.0.1"


async def test_what_no_role_grants_a_step_cannot_do(reader: Reader) -> None:
    job = await reader.run("overreach")
    assert await reader.ended(job) == "Failed"
    said = await reader.type(f'curl -fsS http://127.0.0.1:8080/jobs/{job}/logs -H "Authorization: Bearer $TOKEN"')
    assert "system:serviceaccount:org-shop:web-agents" in said
    assert "cannot delete resource" in said
    assert len(await reader.read("deployments", "shop")) == 1


async def test_a_new_image_waits_for_a_running_deploy(reader: Reader) -> None:
    agent, before = await reader.variable("AGENT"), await reader.pods()
    (uid, pod) = next((uid, pod) for uid, pod in before.items() if f"web.{node_of(pod)}" == agent)
    held = await reader.run("hold")

    async def runs() -> bool:
        return await reader.phase(held) == "Running"

    async def is_to_end() -> bool:
        return "deletionTimestamp" in (await reader.pods())[uid]["metadata"]

    await until(runs, "the beginning of the deploy")
    rolling = asyncio.create_task(reader.follow("A new image for the agents"))
    await until(is_to_end, "the end of the pod")
    assert await runs()
    assert not rolling.done()
    await reader.node.kubectl("-n", "org-shop", "exec", pod["metadata"]["name"], "--", "touch", "/tmp/go")
    assert await reader.ended(held) == "Succeeded"
    await rolling
    after = await reader.pods()
    assert not set(before) & set(after)
    assert {one["spec"]["containers"][0]["image"] for one in after.values()} == {"shop/agent:2"}
    agents = {one["metadata"]["name"] for one in await reader.read("agents")}
    assert agents == {f"web.{node}" for node in reader.node.machines}


async def test_drain_a_node(reader: Reader) -> None:
    agents = set(await reader.pods())
    await reader.follow("Drain a node")
    node = await reader.variable("NODE")
    others = set(reader.node.machines) - {node}

    async def moved() -> bool:
        return {node_of(pod) for pod in await reader.read("pods", "deplite-system")} == others

    await until(moved, "the pods of Deplite on the other machine")
    assert set(await reader.pods()) == agents
    await reader.forward_again()
    assert await reader.deploy("v1.0.2") == "version v1.0.2"
    await reader.follow("Drain a node", 1)


async def test_a_policy_for_the_pool(reader: Reader) -> None:
    said = await reader.follow("Pod Security and NetworkPolicies")
    assert said == "networkpolicy.networking.k8s.io/web-agents created"


async def test_upgrade_and_roll_back(reader: Reader) -> None:
    await reader.follow("Upgrade and roll back")
    await reader.follow("Upgrade and roll back", 1)
    await reader.forward_again()
    assert await reader.deploy("v1.0.3") == "version v1.0.3"


async def test_all_of_it_is_well(reader: Reader) -> None:
    said = await reader.follow("Is it well?")
    rows = [line.split() for line in said.splitlines() if "/" in line.split(" ")[0]]
    assert len(rows) == 8
    assert all("True" in row for row in rows), said


async def test_uninstall(reader: Reader) -> None:
    await reader.follow("Uninstall")

    async def nothing_of_the_pool_is_left() -> bool:
        return not await reader.read("agents,daemonsets")

    await until(nothing_of_the_pool_is_left, "the end of the pool")
    stays = {one["metadata"]["name"] for one in await reader.read("secrets,persistentvolumeclaims", "deplite-system")}
    assert stays == {"deplite-server-keys", "data-deplite-seaweedfs-0"}
    assert len(await reader.read("deployjobs")) == 6
    await reader.follow("Uninstall", 1)
    left = await reader.node.kubectl("get", "namespaces,crds", "-o", "name")
    assert "deplite" not in left
    assert "shop" not in left


async def test_all_of_the_page_was_typed(reader: Reader) -> None:
    assert set(reader.typed) == set(to_type())
