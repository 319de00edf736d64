"""The chart, rendered by the real Helm."""

import asyncio
import copy
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "deplite"
VALUES = Path(__file__).parent / "values"
RELEASE, NAMESPACE = "deplite", "deplite-system"
FILES = sorted(path.stem for path in VALUES.glob("*.yaml"))
Object = dict[str, Any]


class HelmError(Exception):
    """Helm refused; the message is what it said."""


class Helm:
    """Calls the program, with folders of its own."""

    def __init__(self, program: Path, home: Path, kubeconfig: Path | None = None) -> None:
        self.program = program
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        if kubeconfig is not None:
            self._environment["KUBECONFIG"] = str(kubeconfig)

    async def run(self, *arguments: str) -> str:
        """Return what it prints.

        Raises:
            HelmError: it failed.
        """
        child = await asyncio.create_subprocess_exec(
            self.program,
            *arguments,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaint = await child.communicate()
        if child.returncode != 0:
            raise HelmError(complaint.decode())
        return said.decode()

    async def template(self, *arguments: str, release: str = RELEASE, namespace: str = NAMESPACE) -> list[Object]:
        """Return the objects that the chart renders to."""
        said = await self.run("template", release, str(CHART), "--namespace", namespace, *arguments)
        return [found for found in yaml.safe_load_all(said) if found]


def values(name: str) -> tuple[str, str]:
    """Return the arguments for one of our values files."""
    return "--values", str(VALUES / f"{name}.yaml")


def of_kind(objects: Iterable[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind, by name, or by namespace and name where there is one."""
    return {
        "/".join(filter(None, [found["metadata"].get("namespace", ""), found["metadata"]["name"]])): found
        for found in objects
        if found["kind"] == kind
    }


def pods(objects: Iterable[Object]) -> dict[str, Object]:
    """Return the pods, by the name of their owner; a StatefulSet's have the volumes that it would claim for them."""
    found = {}
    for owner in objects:
        if owner["kind"] in ("Deployment", "StatefulSet"):
            pod = copy.deepcopy(owner["spec"]["template"])
            pod["spec"]["volumes"] += [
                {"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
                for claim in owner["spec"].get("volumeClaimTemplates", [])
            ]
            found[owner["metadata"]["name"]] = pod
    return found


def ours(template: Mapping[str, Any]) -> Object:
    """Return the container of a pod that is ours; others that a values file adds come after it."""
    return dict(template["spec"]["containers"][0])


def environment(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of a pod, without what Kubernetes would look up."""
    return {entry["name"]: entry["value"] for entry in ours(template)["env"] if "value" in entry}
