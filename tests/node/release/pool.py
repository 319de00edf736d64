"""The pool of examples/pool, in an organization of the release, under the NetworkPolicy that lies beside it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import yaml

from tests.chart.chart import CHART
from tests.node.commands import SECONDS
from tests.node.release.installed import Installed, is_ready

EXAMPLE = CHART.parents[1] / "examples" / "pool"
ORGANIZATION, SHOP = "org-pools", "shop"
DNS_PORT = 1053
"""Of the pods behind the Service of names."""
KEPT = """
  - name: keep
    run: kubectl -n shop get deployment/web -o yaml > web.yaml
working-directory: /tmp
artifacts: [web.yaml]
"""
"""The end of its workflow: what was rolled out is kept as an artifact."""
Object = dict[str, Any]


@asynccontextmanager
async def pool_running(installed: Installed) -> AsyncIterator[list[Object]]:
    """Have the pool run next to its shop; gives its pods, one a machine."""
    said = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects(await installed.port_of_the_api()))})
    try:
        await installed.node.kubectl("apply", "-f", "-", given=said)
        await installed.node.wait_for("condition=Ready", "agentpool/web", namespace=ORGANIZATION)
        yield await pods(installed)
    finally:
        await installed.node.kubectl("delete", "-f", "-", "--wait=false", given=said)


def objects(api: int) -> Iterator[Object]:
    """Yield the policy first, then all else; ports that are others in this cluster are added to it."""
    for name in ("networkpolicy", "shop", "rights", "pool"):
        text = (EXAMPLE / f"{name}.yaml").read_text().replace("org-shop", ORGANIZATION)
        for found in yaml.safe_load_all(text.replace("shop/agent:1", "deplite-node/agent-with-tools:1")):
            if found["kind"] == "NetworkPolicy":
                names, *_, kubernetes = found["spec"]["egress"]
                names["ports"] += [{"port": DNS_PORT, "protocol": protocol} for protocol in ("UDP", "TCP")]
                kubernetes["ports"].append({"port": api, "protocol": "TCP"})
            yield found
    flow = (EXAMPLE / "workflows" / "roll-out.yaml").read_text().rstrip() + KEPT
    metadata = {"name": "web-workflows", "namespace": ORGANIZATION}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"roll-out.yaml": flow}}


async def pods(installed: Installed) -> list[Object]:
    """Wait until all pods of the pool are ready; returns them."""
    words = ("-n", ORGANIZATION, "get", "pods", "-l", "deplite.io/pool=web", "-o", "json")
    async with asyncio.timeout(SECONDS):
        while True:
            found: list[Object] = json.loads(await installed.node.kubectl(*words))["items"]
            if len(found) == len(installed.node.machines) and all(map(is_ready, found)):
                return found
            await asyncio.sleep(0.1)
