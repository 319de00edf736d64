"""The cluster itself: what tests of Deplite on it take for granted."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.node import web
from tests.node.commands import CommandError, until
from tests.node.door import door
from tests.node.machine.links import BRIDGE
from tests.node.running import Node


@pytest_asyncio.fixture
async def applied(node: Node, namespace: str) -> AsyncIterator[str]:
    """A namespace with a pod on each machine, and a Service of them."""
    await apply(node, namespace, web.daemon_set(), web.service(type="NodePort"))
    await node.kubectl("-n", namespace, "rollout", "status", "daemonset/web", "--timeout=4m")
    port = (await read(node, namespace, "service", "web"))["spec"]["ports"][0]["nodePort"]
    for machine in node.machines.values():
        await until(partial(answers, node, machine.address, port), "the answers of both at the node's port")
    yield namespace


async def answers(node: Node, address: str, port: int) -> bool:
    """Whether a machine knows of all pods of the Service, which the rollout does not wait for."""
    urls = [f"http://{address}:{port}"] * 20
    try:
        said = await node.run("curl", "-sS", "--noproxy", "*", "--header", "Connection: close", *urls)
        return all(machine in said for machine in node.machines)
    except CommandError:
        return False


async def apply(node: Node, namespace: str, *objects: dict[str, Any]) -> None:
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    await node.kubectl("-n", namespace, "apply", "-f", "-", given=given)


async def read(node: Node, namespace: str, *what: str) -> Any:
    return json.loads(await node.kubectl("-n", namespace, "get", *what, "-o", "json"))


async def pods_by_machine(node: Node, namespace: str) -> dict[str, str]:
    found = await read(node, namespace, "pods", "-l", "app=web")
    there = [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]
    return {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in there if "nodeName" in pod["spec"]}


async def python(node: Node, namespace: str, pod: str, code: str) -> str:
    """Run Python in a pod."""
    return await node.kubectl("-n", namespace, "exec", pod, "--", "python", "-c", code)


async def test_each_machine_is_a_node_that_is_ready(node: Node) -> None:
    found = (await read(node, "default", "nodes"))["items"]
    assert {item["metadata"]["name"] for item in found} == set(node.machines) == {"node-1", "node-2"}
    for item in found:
        addresses = {entry["type"]: entry["address"] for entry in item["status"]["addresses"]}
        assert addresses["InternalIP"] == node.machines[item["metadata"]["name"]].address
        assert {entry["status"] for entry in item["status"]["conditions"] if entry["type"] == "Ready"} == {"True"}


async def test_a_pod_of_each_machine_finds_a_service_by_its_name(node: Node, applied: str) -> None:
    pods = await pods_by_machine(node, applied)
    assert set(pods) == set(node.machines)
    for name in ("web", f"web.{applied}.svc.cluster.local"):
        code = f"from urllib.request import urlopen; print({{urlopen('http://{name}').read() for _ in range(40)}})"
        for pod in pods.values():
            said = await python(node, applied, pod, code)
            assert all(machine in said for machine in node.machines)  # of either, also of the other one


async def test_logs_and_commands_reach_a_pod_of_each_machine(node: Node, applied: str) -> None:
    for machine, pod in (await pods_by_machine(node, applied)).items():
        assert (await python(node, applied, pod, "import os; print(os.environ['NODE'], os.getuid())")).split() == [
            machine,
            "65532",
        ]
        await python(node, applied, pod, f"import urllib.request as r; r.urlopen('http://127.0.0.1:{web.PORT}/{pod}')")
        await until(partial(logged, node, applied, pod), "the pod's own line")


async def logged(node: Node, namespace: str, pod: str) -> bool:
    return f"GET /{pod} " in await node.kubectl("-n", namespace, "logs", pod)


async def test_a_node_port_answers_on_each_machine_and_through_a_door(node: Node, applied: str) -> None:
    port = (await read(node, applied, "service", "web"))["spec"]["ports"][0]["nodePort"]
    for machine in node.machines.values():
        async with door(node.pid, machine.address, port) as url, httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(url)).text in node.machines
    with pytest.raises(httpx.ConnectError):  # it was open only as long
        await httpx.AsyncClient(trust_env=False).get(url)


async def test_commands_in_the_network_of_a_machine_reach_services_and_pods(node: Node, applied: str) -> None:
    service = (await read(node, applied, "service", "web"))["spec"]["clusterIP"]
    pods = (await read(node, applied, "pods"))["items"]
    for address in (service, *(f"{pod['status']['podIP']}:{web.PORT}" for pod in pods)):
        assert (await node.run("curl", "-sS", "--noproxy", "*", f"http://{address}")) in node.machines


async def test_nothing_leaves(node: Node, applied: str) -> None:
    code = """
import errno, socket
with socket.socket() as client:
    client.settimeout(30)
    print(errno.errorcode[client.connect_ex(("192.0.2.1", 443))])
try:
    socket.getaddrinfo("example.com", 443)
except socket.gaierror as error:
    print(error.errno == socket.EAI_NONAME)
"""
    for pod in (await pods_by_machine(node, applied)).values():
        assert (await python(node, applied, pod, code)).split() == ["ENETUNREACH", "True"]
    for machine in node.machines.values():
        assert await machine.run("ip", "route", "show", "default") == ""
        with pytest.raises(CommandError, match="unreachable"):
            await machine.run("ip", "route", "get", "192.0.2.1")


async def test_the_outer_network_has_no_way_out_either(node: Node) -> None:
    links = json.loads(await node.run_outside("ip", "-json", "link", "show"))
    assert {link["ifname"] for link in links} == {"lo", BRIDGE, *node.machines}
    assert await node.run_outside("ip", "route", "show", "default") == ""


async def test_a_disk_goes_with_its_pod_to_another_machine(node: Node, namespace: str) -> None:
    mounted = [{"name": "disk", "mountPath": "/disk"}]
    spec = web.pod(volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "web"}}])
    spec["containers"][0]["volumeMounts"] = mounted
    for machine, other in (("node-1", ""), ("node-2", "node-1")):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": machine}}
        await apply(node, namespace, web.claim(), pod | {"spec": spec | {"nodeName": machine}})
        await node.wait_for("condition=Ready", f"pod/{machine}", namespace=namespace)
        code = f"p = open('/disk/mark', 'a+'); p.seek(0); print(p.read()); p.write('{machine}')"
        assert (await python(node, namespace, machine, code)).strip() == other
        await node.kubectl("-n", namespace, "delete", "pod", machine)


async def test_pods_leave_a_machine_whose_power_goes_and_it_comes_back(node: Node, namespace: str) -> None:
    machine = node.machines["node-2"]
    wanted = web.deployment()
    wanted["spec"]["template"]["spec"]["affinity"] = {"nodeAffinity": preferring(machine.name)}
    await apply(node, namespace, wanted)
    await node.wait_for("condition=Available", "deployment/web", namespace=namespace)
    assert set(await pods_by_machine(node, namespace)) == {"node-2"}
    await machine.off()

    async def have_left() -> bool:
        return "node-1" in await pods_by_machine(node, namespace)

    await until(have_left, "a pod on the other machine")
    pods = await pods_by_machine(node, namespace)
    await node.wait_for("condition=Ready", f"pod/{pods['node-1']}", namespace=namespace)
    await machine.on()
    await node.kubectl("-n", namespace, "rollout", "restart", "deployment/web")
    await node.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=4m")
    back = await pods_by_machine(node, namespace)
    assert (await python(node, namespace, back["node-2"], "print(6 * 7)")).strip() == "42"


def preferring(machine: str) -> dict[str, Any]:
    chosen = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [machine]}]}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": chosen}]}
