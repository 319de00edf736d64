"""What a person does with kubectl and the printed kubeconfig: look, apply a trigger, and fire it by its webhook."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from deplite.local.firstdeploy import TOKEN_NAME, TRIGGER_NAME
from tests.e2e.conftest import Deployment
from tests.e2e.running import wait_for

KUBECTL = Path(sys.executable).with_name("kubectl")

TRIGGER_AND_TOKEN = """
apiVersion: deplite.io/v1alpha1
kind: ApiToken
metadata: {name: ci}
spec:
  displayName: CI
  secretName: deploy-token
  grants: [{type: trigger, triggers: [nightly]}]
---
apiVersion: deplite.io/v1alpha1
kind: Trigger
metadata: {name: nightly}
spec:
  displayName: Nightly
  agent: AGENT
  workflow: smoke-test
  responseMode: sync
"""


class Kubectl:
    """kubectl as the owner of the printed kubeconfig."""

    def __init__(self, deployment: Deployment) -> None:
        self.base = [str(KUBECTL), "--kubeconfig", str(deployment.kubeconfig), "-n", deployment.organization]

    def __call__(self, *arguments: str, given: str | None = None) -> str:
        done = subprocess.run([*self.base, *arguments], input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read(self, *arguments: str) -> Any:
        return json.loads(self("get", *arguments, "-o", "json"))


def columns(table: str) -> dict[str, str]:
    """Return the one row of a table by its headings; headings may have a blank inside, columns have two between."""
    head, row = table.splitlines()
    names = [name for name in head.split("  ") if name]
    starts = [head.index(name) for name in names]
    ends = [*starts[1:], None]
    return {name.strip(): row[start:end].strip() for name, start, end in zip(names, starts, ends, strict=True)}


def display_named(kubectl: Kubectl, kind: str, display_name: str) -> Any:
    """Return an object that `deplite up` made: other tests leave theirs beside it."""
    (found,) = (one for one in kubectl.read(kind)["items"] if one["spec"].get("displayName") == display_name)
    return found


def test_the_tables_read_like_a_product(deployment: Deployment) -> None:
    kubectl = Kubectl(deployment)
    name = display_named(kubectl, "triggers", TRIGGER_NAME)["metadata"]["name"]
    wait_for(lambda: columns(kubectl("get", "triggers", name))["LAST JOB"] == "Succeeded")
    shown = kubectl.read("triggers", name)
    trigger = columns(kubectl("get", "triggers", name))
    agent = columns(kubectl("get", "agents", shown["spec"]["agent"]))
    token = columns(kubectl("get", "apitokens", display_named(kubectl, "apitokens", TOKEN_NAME)["metadata"]["name"]))
    job = columns(kubectl("get", "deployjobs", shown["status"]["lastJob"]))
    assert {"WORKFLOW": "deploy-prod", "TYPE": "webhook", "READY": "True"}.items() <= trigger.items()
    assert {"STATE": "Connected", "READY": "True"}.items() <= agent.items()
    assert token["PREFIX"].startswith("tk_")
    assert len(token["PREFIX"]) < 12, "a prefix, not the token"
    assert {"PHASE": "Succeeded", "WORKFLOW": "deploy-prod", "REF": "main", "EXIT": "0"}.items() <= job.items()


def test_owners_see_who_enrolled(deployment: Deployment) -> None:
    kubectl = Kubectl(deployment)
    agent = display_named(kubectl, "triggers", TRIGGER_NAME)["spec"]["agent"]

    def enrolments() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = kubectl.read("events", "--field-selector=reason=Enrolled")["items"]
        return found

    wait_for(lambda: len(enrolments()) == 1)
    (told,) = enrolments()
    assert (told["involvedObject"]["kind"], told["involvedObject"]["name"]) == ("Agent", agent)
    assert told["message"].startswith("Code enr_")


def test_an_applied_trigger_runs_by_its_webhook(deployment: Deployment) -> None:
    kubectl = Kubectl(deployment)
    agent = display_named(kubectl, "triggers", TRIGGER_NAME)["spec"]["agent"]
    kubectl("apply", "-f", "-", given=TRIGGER_AND_TOKEN.replace("AGENT", agent))
    kubectl("wait", "--for=condition=Ready", "trigger/nightly", "apitoken/ci", "--timeout=120s")
    try:
        url = kubectl.read("trigger", "nightly")["status"]["url"]
        secret = kubectl.read("secret", "deploy-token")["data"]
        token = base64.b64decode(secret["token"]).decode()
        answer = httpx.post(url, headers={"Authorization": f"Bearer {token}"}, json={}, timeout=70)
        assert answer.status_code == 200, answer.text
        ran = answer.json()
        assert (ran["status"], ran["exitCode"]) == ("success", 0)
        assert ran["output"]["freeMegabytes"] > 0
        assert kubectl.read("deployjob", ran["jobId"])["status"]["phase"] == "Succeeded"
    finally:
        kubectl("delete", "-f", "-", given=TRIGGER_AND_TOKEN.replace("AGENT", agent))
