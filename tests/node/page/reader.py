"""Who reads docs/kubernetes.md from top to bottom, and types what it says."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.node.commands import until
from tests.node.running import Node
from tests.pages import blocks
from tests.shell import Shell

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/kubernetes.md").read_text()


def to_type() -> list[tuple[str, int]]:
    """Return what there is to type: the sections, and the numbers of their blocks."""
    sections = re.split(r"^##+ ", TEXT, flags=re.MULTILINE)[1:]
    return [
        (section.partition("\n")[0], number) for section in sections for number in range(section.count("\n```sh\n"))
    ]


@dataclass(kw_only=True)
class Reader:
    """One reader, at one shell."""

    node: Node
    shell: Shell
    folder: Path
    """The checkout that is typed in."""
    typed: list[tuple[str, int]] = field(default_factory=list)

    async def type(self, text: str) -> str:
        """Type something else; return what it printed."""
        return await asyncio.to_thread(self.shell.type, text)

    async def follow(self, heading: str, number: int = 0) -> str:
        """Type a block of a section, counted from 0; return what it printed."""
        self.typed.append((heading, number))
        return await self.type(blocks(TEXT, heading, "sh")[number])

    async def variable(self, name: str) -> str:
        """Return a variable of the shell."""
        return await self.type(f'echo "${name}"')

    async def read(self, kind: str, namespace: str = "org-shop") -> list[Any]:
        """Return all that there is of a kind in a namespace."""
        items: list[Any] = json.loads(await self.node.kubectl("-n", namespace, "get", kind, "-o", "json"))["items"]
        return items

    async def phase(self, job: str) -> str | None:
        """Return the phase of a job."""
        found = json.loads(await self.node.kubectl("-n", "org-shop", "get", "deployjob", job, "-o", "json"))
        phase: str | None = found.get("status", {}).get("phase")
        return phase

    async def pods(self) -> dict[str, Any]:
        """Return the pods of the pool, by their uids."""
        return {pod["metadata"]["uid"]: pod for pod in await self.read("pods")}

    async def ended(self, job: str) -> str | None:
        """Wait for the end of a job; return its phase."""

        async def has_ended() -> bool:
            return await self.phase(job) in ("Succeeded", "Failed")

        await until(has_ended, f"the end of {job}")
        return await self.phase(job)

    async def forward_again(self) -> None:
        """Start the port-forward again, for its pod may be gone."""
        gone = "kill %?port-forward 2>/dev/null || :; wait %?port-forward 2>/dev/null || :"
        forward, wait, *_ = blocks(TEXT, "Sign in", "sh")[0].splitlines()
        await self.type(f"{gone}\n{forward}\n{wait}")

    async def deploy(self, ref: str) -> str:
        """Deploy another ref as the page does; return what the shop shows then."""
        first, then = blocks(TEXT, "Deploy", "sh")
        await self.type(first.replace("v1.0.0", ref).replace("pipeline-1", ref))
        return (await self.type(then)).splitlines()[-1]

    async def run(self, workflow: str) -> str:
        """Run a workflow of the tests as the owner, by a trigger that is made for it; return the job's id."""
        change = f"s/web.node-1/$AGENT/; s/roll-out/{workflow}/; s/Roll out the web shop/{workflow}/"
        await self.type(f'sed "{change}" examples/pool/trigger.yaml | kubectl apply -f -')
        ready = ("--for=condition=Ready", "--timeout=180s")
        await self.node.kubectl("-n", "org-shop", "wait", f"trigger/{workflow}", *ready)
        trigger = f"$(kubectl -n org-shop get trigger {workflow} -o jsonpath='{{.status.id}}')"
        call = f'curl -fsS -X POST "http://127.0.0.1:8080/triggers/{trigger}/run-manual"'
        said = await self.type(f"""{call} -H "Authorization: Bearer $TOKEN" -d '{{"ref": "main"}}'""")
        return str(json.loads(said)["jobId"])
