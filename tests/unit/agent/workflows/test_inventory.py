"""What a machine offers, and that the server takes whatever it is told."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deplite_agent.workflows.file import parse_workflow
from deplite_agent.workflows.inventory import MAX_WORKFLOWS, Inventory
from deplite_agent.workflows.report import report_of
from deplite_apiserver.workflows.schemas import Inventory as Told
from tests.unit.agent.builders import one_step, write_workflow

EVERYTHING = """
name: all.of-it_1
description: "line one\\nline two"
version: 4
schema-version: "1"
allowed-refs: [main]
params:
  - {name: n, type: number, min: 1, max: 2.5, default: 1.5, description: d}
  - {name: "x y", pattern: "^a+$", options: [a, aa], default: a}
  - {name: b, type: boolean, default: true}
secrets: [{name: TOKEN, required: true}, {name: OTHER, description: d}]
outputs: [{name: url, type: number, description: d}]
env: {A: hidden-value}
working-directory: /hidden
retry: {max-attempts: 2, backoff: linear}
steps:
  - {name: a, id: one, run: hidden-command, verbose: true, continue-on-error: true, timeout-minutes: 2.5}
  - {name: b, run: hidden-command, shell: bash, env: {B: hidden-value}, retry: {max-attempts: 3}}
"""


def test_what_is_told_is_names_and_shapes_and_the_server_takes_it() -> None:
    told = report_of(parse_workflow(EVERYTHING, "d"))
    assert "hidden" not in json.dumps(told)
    Told.model_validate({"workflows": [json.loads(json.dumps(told))]})
    assert told["secretsKeys"] == ["TOKEN", "OTHER"]
    assert told["steps"][0] == {
        "id": "one",
        "name": "a",
        "timeoutMinutes": 2.5,
        "verbose": True,
        "continueOnError": True,
    }
    assert told["retry"] == {
        "maxAttempts": 2,
        "backoff": "linear",
        "initialDelaySeconds": 1.0,
        "maxDelaySeconds": 300.0,
    }


def test_a_workflow_without_params_tells_none() -> None:
    assert "params" not in report_of(parse_workflow(one_step("true"), "d"))


def test_one_bad_file_costs_no_other_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_workflow(tmp_path, one_step("true"), "good")
    bad = write_workflow(tmp_path, "steps: 5", "bad")
    write_workflow(tmp_path, "name: good\n" + one_step("true"), "twice")
    inventory = Inventory(tmp_path / "workflows")
    scan = inventory.scan()
    inventory.scan()
    assert list(scan.found) == ["good"]
    assert scan.problems == (
        f"{bad}: steps: this must be a list",
        f"{tmp_path}/workflows/twice.yaml: the name good is taken by {tmp_path}/workflows/good.yaml",
    )
    assert [record.message for record in caplog.records] == list(scan.problems)


def test_other_files_and_a_missing_folder_are_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    assert Inventory(folder).scan().report() == {"workflows": []}
    write_workflow(tmp_path, one_step("true"), ".hidden")
    (folder / "README.md").write_text("x")
    (folder / "a.yaml.bak").write_text("x")
    assert Inventory(folder).files() == []


def test_more_workflows_than_the_server_takes_are_left_out_and_said(tmp_path: Path) -> None:
    for number in range(MAX_WORKFLOWS + 1):
        write_workflow(tmp_path, one_step("true"), f"w{number:03}")
    scan = Inventory(tmp_path / "workflows").scan()
    assert len(scan.found) == MAX_WORKFLOWS
    assert scan.problems == (f"{tmp_path}/workflows/w200.yaml: an agent offers at most 200 workflows",)


def test_more_bytes_than_the_server_takes_are_left_out_and_said(tmp_path: Path) -> None:
    """Else one large file would cost the server the picture of all."""
    steps = "steps:\n" + "".join(f"  - {{name: '{number:03}{'x' * 120}', run: x}}\n" for number in range(199))
    for number in range(20):
        write_workflow(tmp_path, steps, f"w{number:02}")
    scan = Inventory(tmp_path / "workflows").scan()
    assert 5 < len(scan.found) < 20
    assert len(json.dumps(scan.report())) <= 256 * 1024
    assert len(scan.found) + len(scan.problems) == 20
    assert scan.problems[-1].endswith("w19.yaml: an agent's workflows have at most 262080 bytes together as reported")


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = write_workflow(tmp_path, one_step("true"))
    inventory = Inventory(tmp_path / "workflows")
    before: Any = inventory.fingerprint()
    assert inventory.fingerprint() == before
    assert inventory.scan().found["deploy"].workflow.steps[0].run == "true\n"
    path.write_text(one_step("pass"))
    os.utime(path, ns=(1, 1))
    assert inventory.fingerprint() != before
    assert inventory.scan().found["deploy"].workflow.steps[0].run == "pass\n"
    path.unlink()
    assert inventory.scan().found == {}
