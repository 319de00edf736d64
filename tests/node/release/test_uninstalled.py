"""`helm uninstall` with everything running and a deploy under way, and the way back."""

import asyncio
import time

from tests.chart.chart import NAMESPACE, RELEASE
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.node.release.installed import Installed
from tests.node.release.outside import ServedSite

LIMIT_SECONDS = 60.0
"""What is promised for an uninstallation."""
ORGANIZATIONS = "-o=jsonpath={range .items[*]}{.metadata.namespace} {.metadata.uid}{'\\n'}{end}"


async def what_is_there(installed: Installed) -> set[str]:
    """Return what there is in the release's namespace, but for Events and what every namespace has."""
    kinds = (await installed.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name")).split()
    listed = [one for one in kinds if one not in ("events", "events.events.k8s.io")]
    words = ("get", ",".join(listed), "--namespace", NAMESPACE, "--output=name", "--show-kind", "--ignore-not-found")
    found = set((await installed.kubectl(*words)).split())
    return found - {"configmap/kube-root-ca.crt", "serviceaccount/default"}


async def test_uninstalled_amid_a_deploy_and_installed_again(
    installed: Installed, served: ServedSite, outside: Fleet, ledger: Ledger
) -> None:
    await installed.settled()
    caller = await Caller.for_agent(served, await outside.add())
    await caller.run_many(3, gated=True)
    await caller.in_flight(ledger, 3)
    organizations = await installed.kubectl("get", "organizations", "-A", ORGANIZATIONS)

    began = time.monotonic()
    await installed.helm.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
    while await installed.pods():
        await asyncio.sleep(0.2)
    took = time.monotonic() - began
    print(f"uninstalled after {took:.1f} s")
    assert took < LIMIT_SECONDS
    left = {name for name in await what_is_there(installed) if not name.startswith("lease.")}
    assert left == {"secret/deplite-server-keys", "persistentvolumeclaim/data-deplite-seaweedfs-0"}
    assert await installed.kubectl("get", "organizations", "-A", ORGANIZATIONS) == organizations

    ledger.open("print")
    ledger.open("end")  # the deploys end while there is nobody to tell
    said = await installed.install()
    assert "once more" not in said
    await installed.settled()
    assert await caller.settle(ledger) == Counters()
    await caller.run()  # the trigger, its token and the agent are as they were
    assert await caller.settle(ledger) == Counters()
