"""What people do with Deplite from Slack, on one `deplite up` and with the fake Slack, as steps of a test."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.resources import SlackInstallation
from tests.e2e.conftest import deplite, read_env
from tests.e2e.running import owner
from tests.slackfake import FakeSlack, Message

WORKFLOW = """
name: ship
verbose-steps: true
params:
  - {name: code, type: number, default: 0}
  - {name: gated, type: boolean, default: false}
outputs:
  - {name: url, type: string}
env: {FOLDER: GATES}
steps:
  - name: build
    run: |
      echo "$DEPLITE_JOB_ID" >> "$FOLDER/starts"
      while test "$PARAM_GATED" = true && ! test -e "$FOLDER/built"; do sleep 0.1; done
  - name: roll out
    run: |
      echo "rolling out"
      while test "$PARAM_GATED" = true && ! test -e "$FOLDER/rolled-out"; do sleep 0.1; done
      echo "url=https://app.example.com" >> "$DEPLITE_OUTPUT"
      exit "$PARAM_CODE"
"""
SLOW = "The cluster is slow:"
JOB = re.compile(r"j-[a-z2-7]{26}")


@dataclass(kw_only=True)
class Day:
    """One installation, its owner, and Slack."""

    data: Path
    gates: Path
    slack: FakeSlack
    triggers: dict[str, str] = field(default_factory=dict)
    """Name -> id."""

    @property
    def environment(self) -> dict[str, str]:
        return read_env(self.data / "env")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call as the owner; the path begins at the organization."""
        with owner(self.data) as client:
            answer = client.request(method, path, json=body, timeout=60)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None

    def trigger(self, name: str, **more: Any) -> str:
        """Make a trigger on the workflow."""
        agent = self.ask("GET", "/agents")[0]["id"]
        body = {"agentId": agent, "name": name, "workflowName": "ship", "scopeType": "workflow", "type": "webhook"}
        self.triggers[name] = str(self.ask("POST", "/triggers", body | {"responseMode": "async"} | more)["id"])
        return self.triggers[name]

    def webhook(self, name: str, **params: Any) -> str:
        """Fire a trigger as CI does; return the job's id."""
        trigger = self.triggers[name]
        token = self.ask("POST", "/api-tokens", {"name": "ci", "scopeType": "trigger", "triggerIds": [trigger]})
        answer = httpx.post(
            f"{self.environment['DEPLITE_URL']}/triggers/{trigger}/run",
            json={"ref": "main", "params": params},
            headers={"Authorization": f"Bearer {token['plainToken']}"},
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    def job(self, job_id: str) -> dict[str, Any]:
        with owner(self.data) as client:
            found: dict[str, Any] = client.get(f"{self.environment['DEPLITE_URL']}/jobs/{job_id}").json()
            return found

    def ended(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's end; return its detail."""
        self.slack.wait(lambda: self.job(job_id)["status"] in ("success", "failed"), 90)
        return self.job(job_id)

    def command(self, text: str, **options: Any) -> str:
        """Type a command; return what the person reads, late or not."""
        heard = len(self.slack.team.whispers)
        reply = self.slack.command(text, **options)
        assert reply.status == 200, reply.raw
        if not reply.text.startswith(SLOW):
            return reply.text
        late: list[str] = []

        def come() -> bool:
            asked = options.get("user", "U0ANN")
            told = [one.said for one in self.slack.team.whispers[heard:] if one.user == asked]
            late[:] = [said for said in told if not said.startswith(SLOW)]
            return bool(late)

        self.slack.wait(come, 90)
        return late[0]

    def whispered(self, user: str, condition: Callable[[str], bool]) -> None:
        """Wait until a person alone was told something."""
        self.slack.wait(lambda: any(condition(one.said) for one in self.slack.team.whispered(user)))

    def cards(self, job_id: str) -> list[Message]:
        """The messages, wherever they are, that are about a job: the id stands in them."""
        return [message for message in self.slack.team.all_messages() if job_id in message.said]

    def card(self, job_id: str, *words: str) -> Message:
        """Wait until a job has a card that says these words; return it. There is never more than one."""

        def shown() -> bool:
            cards = self.cards(job_id)
            assert len(cards) <= 1, cards
            return bool(cards) and all(word.lower() in cards[0].said.lower() for word in words)

        self.slack.wait(shown, 90)
        return self.cards(job_id)[0]

    def run_by_command(self, text: str, **options: Any) -> str:
        """Type `/deplite run …`; return the id of the job that the answer names."""
        answer = self.command(f"run {text}", **options)
        found = JOB.findall(answer)
        assert len(set(found)) == 1, answer
        return str(found[0])

    def link(self, user: str) -> str:
        """Ask for the line as the owner does on a shell, and type it; return what Slack shows."""
        environment = {name: value for name, value in self.environment.items() if name.startswith("DEPLITE_")}
        shown = deplite("slack", "link", timeout=120, **environment)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        line = next(line.strip() for line in shown.stdout.splitlines() if "/deplite link lnk_" in line)
        return self.command(line[line.index("/deplite ") + len("/deplite ") :], user=user)

    def in_cluster(self) -> list[tuple[str, bool]]:
        """The SlackInstallations of the organization: name, and whether its Secret is there."""

        async def look() -> list[tuple[str, bool]]:
            kube = await KubeClient.connect(Path(self.environment["KUBECONFIG"]))
            namespace = self.environment["DEPLITE_ORG_ID"]
            try:
                found = await kube.list(SlackInstallation, namespace)
                return [(one.name, await _there(kube, namespace, one.spec.secret_name)) for one in found]
            finally:
                await kube.close()

        return asyncio.run(look())

    def secret_of(self, name: str) -> str:
        """The name of the Secret of a SlackInstallation."""

        async def look() -> str:
            kube = await KubeClient.connect(Path(self.environment["KUBECONFIG"]))
            try:
                found = await kube.get(SlackInstallation, self.environment["DEPLITE_ORG_ID"], name)
                return found.spec.secret_name
            finally:
                await kube.close()

        return asyncio.run(look())

    def secret_there(self, name: str) -> bool:
        """Whether a Secret of the organization exists."""

        async def look() -> bool:
            kube = await KubeClient.connect(Path(self.environment["KUBECONFIG"]))
            try:
                return await _there(kube, self.environment["DEPLITE_ORG_ID"], name)
            finally:
                await kube.close()

        return asyncio.run(look())


async def _there(kube: KubeClient, namespace: str, name: str) -> bool:
    try:
        await kube.get_secret(namespace, name)
    except NotFoundError:
        return False
    return True
