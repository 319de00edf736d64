"""kill -9 of any one process while jobs run: they end truthfully, and nothing that was acknowledged is lost."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deplite.local import liveness
from tests.e2e.conftest import deplite, read_env
from tests.e2e.running import PARTS, owner, pid_of, up, wait_for

LINES = 40
WHOLE = [f"line {number}\n" for number in range(LINES)]
"""What is shown of a job; the last of it may come after its result, where storing was not possible for a while."""
WORKFLOW = f"""
name: count
steps:
  - name: count
    run: |
      echo "$DEPLITE_JOB_ID $DEPLITE_ATTEMPT $$" >> "$LEDGER"
      i=0
      while [ $i -lt {LINES} ]; do
        echo "line $i"; i=$((i + 1)); sleep 0.1
        while [ $i -eq {LINES // 2} ] && ! [ -e "$LEDGER.goes-on" ]; do sleep 0.1; done
      done
env:
  LEDGER: LEDGER_PATH
"""


class Webhook:
    """A trigger on the workflow above, and a token that may fire it; calls are repeated until they are answered."""

    def __init__(self, data: Path) -> None:
        with owner(data) as client:
            agent = client.get("/agents").json()[0]["id"]
            trigger = client.post(
                "/triggers",
                json={"agentId": agent, "name": "count", "workflowName": "count", "scopeType": "workflow"}
                | {"type": "webhook", "responseMode": "async"},
            ).json()
            token = client.post(
                "/api-tokens", json={"name": "t", "scopeType": "trigger", "triggerIds": [trigger["id"]]}
            )
        self.path = f"/triggers/{trigger['id']}/run"
        self.client = httpx.Client(
            base_url=read_env(data / "env")["DEPLITE_URL"],
            headers={"Authorization": f"Bearer {token.json()['plainToken']}"},
            timeout=60,
        )

    def run(self, key: str) -> str:
        """Fire, and return the job's id: once it is told, the job exists."""
        answer = self.ask("POST", self.path, headers={"Idempotency-Key": key})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call as a careful client does: again after no answer, 429 and 5xx."""
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = self.client.request(method, path, **options)
            except httpx.TransportError:
                assert time.monotonic() < deadline, "no answer for two minutes"
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                assert time.monotonic() < deadline, answer.text
            time.sleep(0.2)

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def wait(self, job_id: str, *statuses: str) -> dict[str, Any]:
        wait_for(lambda: self.job(job_id)["status"] in statuses)
        return self.job(job_id)

    def lines(self, job_id: str) -> list[str]:
        items = self.ask("GET", f"/jobs/{job_id}/logs").json()["items"]
        assert [item["seq"] for item in items] == list(range(len(items)))
        return [item["content"] for item in items if item["stream"] == "raw"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("killed-up") / "data"
    (folder / "workflows").mkdir(parents=True)
    ledger = folder.parent / "ledger"
    ledger.touch()
    (folder / "workflows" / "count.yaml").write_text(WORKFLOW.replace("LEDGER_PATH", str(ledger)))
    up(folder)
    yield folder
    deplite("down", "--data", str(folder))


@pytest.fixture(scope="module")
def webhook(data: Path) -> Iterator[Webhook]:
    made = Webhook(data)
    yield made
    made.client.close()


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_running_job_ends_truthfully(part: str, data: Path, webhook: Webhook) -> None:
    ledger, goes_on = data.parent / "ledger", data.parent / "ledger.goes-on"
    goes_on.unlink(missing_ok=True)
    running = webhook.run(f"{part}-running")
    webhook.wait(running, "running")
    wait_for(lambda: running in ledger.read_text())
    os.kill(pid_of(data, part), signal.SIGKILL)
    goes_on.touch()
    during = webhook.run(f"{part}-during")
    again = webhook.run(f"{part}-during")
    assert again == during

    ended = webhook.wait(running, "success", "failed")
    started = [line.split() for line in ledger.read_text().splitlines()]
    assert [job for job, _, _ in started].count(running) == 1, "started once"
    if part == "agent":
        assert (ended["status"], ended["reason"]) == ("failed", "agent_crashed")
        pid = next(int(pid) for job, _, pid in started if job == running)
        assert not liveness.birth(pid), "no process of the killed agent's job is left"
    else:
        assert (ended["status"], ended["exitCode"]) == ("success", 0)
        wait_for(lambda: webhook.lines(running) == WHOLE)

    later = webhook.wait(during, "success", "failed")
    assert later["status"] == "success"
    wait_for(lambda: webhook.lines(during) == WHOLE)
    started = [line.split() for line in ledger.read_text().splitlines()]
    assert [job for job, _, _ in started].count(during) == 1
