"""The release as Helm left it: ready, restricted, and used as its own words and docs/helm.md tell."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.chart.chart import NAMESPACE
from tests.chart.running import commands
from tests.e2e.walkthrough.walking import Place, walk
from tests.node.commands import CommandError
from tests.node.release.installed import Installed, part_of
from tests.node.release.processes import process_of
from tests.node.release.shell import resolving_shell

USERS = {"apiserver": 65532, "operator": 65532, "valkey": 999, "seaweedfs": 1000}
FORWARDED = "curl -s --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:8080/livez; kill %1"
SERVICE = f"http://deplite-apiserver.{NAMESPACE}.svc"


async def test_all_pods_are_ready_and_none_was_started_again(installed: Installed) -> None:
    starts = {one["metadata"]["name"]: one["status"]["containerStatuses"][0]["restartCount"] for one in installed.first}
    assert len(starts) == 5
    assert set(starts.values()) == {0}, starts


async def test_pod_security_is_enforced_and_has_refused_nothing_of_ours(installed: Installed) -> None:
    words = ("-n", NAMESPACE, "run", "root", "--image=deplite-node/pause:1", "--dry-run=server")
    with pytest.raises(CommandError, match='violates PodSecurity "restricted'):
        await installed.kubectl(*words)
    events = await installed.kubectl("-n", NAMESPACE, "get", "events", "-o", "jsonpath={.items[*].message}")
    assert "PodSecurity" not in events


async def test_processes_run_as_nobody_without_rights_on_a_root_that_is_read_only(installed: Installed) -> None:
    for pod in await installed.settled():
        process = process_of(pod)
        status = process.status
        assert process.root_is_read_only, pod["metadata"]["name"]
        assert set(status["Uid"].split()) == {str(USERS[part_of(pod)])}
        assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


async def test_every_command_of_the_notes_works_as_it_is_printed(installed: Installed, tmp_path: Path) -> None:
    with resolving_shell(installed, tmp_path) as shell:
        said = {}
        for block in commands(installed.notes):
            forwarded = "port-forward" in block  # goes on until it is stopped
            said[block] = await asyncio.to_thread(shell.type, f"{block.strip()} &" if forwarded else block)
        answer = await asyncio.to_thread(shell.type, FORWARDED)
    (listed,) = [text for block, text in said.items() if "get organizations" in block]
    assert "org-noted" in listed
    (rolled,) = [text for block, text in said.items() if "rollout status" in block]
    assert rolled.count("successfully rolled out") == 2
    (asked,) = [text for block, text in said.items() if "create token" in block]
    assert asked.endswith("[]")
    (known,) = [text for block, text in said.items() if "openid-configuration" in block]
    assert '"issuer":"https://kubernetes.default.svc.cluster.local"' in known
    assert re.search(r'"status":\s*"ok"', answer)


@pytest.mark.parametrize("way", ["name", "node"])
async def test_the_walkthrough(way: str, installed: Installed, tmp_path: Path) -> None:
    """By the Service's name, as pods of the cluster call it, and by the node's port, as all the others do."""
    address, organization = {"name": (SERVICE, "org-named"), "node": (installed.url, "org-typed")}[way]
    place = Place(app=address, api=address, organization=organization, jwt=await installed.token())
    with resolving_shell(installed, tmp_path, address) as shell:
        await asyncio.to_thread(walk, shell, tmp_path, place)
