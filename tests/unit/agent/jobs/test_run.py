"""The steps of a job: order, retries, time limits, environment, outputs; how each ending is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.order import Order
from deplite_agent.jobs.plan import Plan
from deplite_agent.jobs.result import Result
from deplite_agent.jobs.run import Run, remove_leftovers
from deplite_agent.records import read_records
from deplite_agent.workflows.file import parse_workflow
from tests.unit.agent.builders import order

SUCCESS = Result(status="success", exit_code=0)


class Ran:
    """A run and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.groups: list[int] = []

    async def run(self, text: str, what: Order | None = None, *, params: Any = None, **secrets: str) -> Result:
        plan = Plan(workflow=parse_workflow(text, "deploy"), folder=self.folder, params=params or {}, secrets=secrets)
        log = JobLog(self.folder / "log", Masker(value.encode() for value in secrets.values()), lambda: None)
        try:
            return await Run(what or order(), plan, log, self.groups.append, grace=0.3).run()
        finally:
            log.close()

    def said(self, stream: str = "summary") -> list[str]:
        records = (record for record, _ in read_records(self.folder / "log") if record is not None)
        return [record["content"].strip() for record in records if record["stream"] == stream]


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    return Ran(tmp_path)


async def test_steps_run_in_order_until_one_fails(ran: Ran) -> None:
    text = "steps: [{name: a, run: echo a >> l}, {name: b, run: echo b >> l; exit 4}, {name: c, run: echo c >> l}]"
    assert await ran.run(text) == Result(
        status="failed", reason="exit_code", exit_code=4, message="The step b failed with exit code 4."
    )
    assert (ran.folder / "l").read_text() == "a\nb\n"
    assert len(ran.groups) == 2
    assert [line.partition(" (")[0] for line in ran.said()] == [
        "A started",
        "A finished",
        "B started",
        "B failed: exit code 4",
    ]


async def test_a_failure_that_may_be_does_not_end_the_run(ran: Ran) -> None:
    assert await ran.run("steps: [{name: a, run: exit 4, continue-on-error: true}, {name: b, run: 'true'}]") == SUCCESS


async def test_a_step_is_tried_again_with_its_number(ran: Ran) -> None:
    text = """
steps:
  - name: a
    run: echo $DEPLITE_ATTEMPT >> l; test $DEPLITE_ATTEMPT = 3
    retry: {max-attempts: 5, initial-delay-seconds: 0.01, backoff: exponential}
"""
    assert await ran.run(text) == SUCCESS
    assert (ran.folder / "l").read_text() == "1\n2\n3\n"
    assert [line for line in ran.said() if "again" in line] == [
        "Trying a again (2 of 5) in 0.01 s",
        "Trying a again (3 of 5) in 0.02 s",
    ]


async def test_the_workflow_is_tried_again_and_counts_on(ran: Ran) -> None:
    text = """
retry: {max-attempts: 2, initial-delay-seconds: 0}
steps: [{name: a, run: echo a$DEPLITE_ATTEMPT >> l}, {name: b, run: echo b$DEPLITE_ATTEMPT >> l; exit 9}]
"""
    assert (await ran.run(text)).exit_code == 9
    assert (ran.folder / "l").read_text() == "a1\nb1\na2\nb2\n"


async def test_a_steps_time_ends_it_and_it_may_be_tried_again(ran: Ran) -> None:
    text = """
steps:
  - name: a
    run: echo x >> l; exec sleep 600
    timeout-minutes: 0.1
    retry: {max-attempts: 2, initial-delay-seconds: 0}
"""
    result = await ran.run(text)
    assert result == Result(status="timeout", reason="timeout", message="The step a took longer than 0.1 min.")
    assert (ran.folder / "l").read_text() == "x\nx\n"


async def test_the_workflows_time_ends_it_for_good(ran: Ran) -> None:
    text = """
timeout-minutes: 0.1
retry: {max-attempts: 3, initial-delay-seconds: 0}
steps:
  - {name: a, run: echo x >> l; exec sleep 600, continue-on-error: true, retry: {max-attempts: 3}}
  - {name: b, run: echo y >> l}
"""
    result = await ran.run(text)
    assert result.status == result.reason == "timeout"
    assert result.message == "The workflow's time (0.1 min) was over in the step a."
    assert (ran.folder / "l").read_text() == "x\n"


async def test_no_step_begins_after_the_workflows_time(ran: Ran) -> None:
    assert (await ran.run("timeout-minutes: 0.0000001\nsteps: [{name: a, run: touch ran}]")).status == "timeout"
    assert not (ran.folder / "ran").exists()
    assert ran.groups == []


@pytest.mark.parametrize("where", ["step", "workflow"])
async def test_a_wait_that_is_longer_than_the_time_left_ends_with_the_true_exit_code(ran: Ran, where: str) -> None:
    retry = "retry: {max-attempts: 3, initial-delay-seconds: 300}"
    inner, outer = (f", {retry}", "") if where == "step" else ("", retry)
    result = await ran.run(f"timeout-minutes: 4\n{outer}\nsteps:\n  - {{name: a, run: exit 5{inner}}}\n")
    assert (result.status, result.reason, result.exit_code) == ("failed", "exit_code", 5)
    assert ran.said()[-1] == "The workflow's time leaves no room for another try"


async def test_a_folder_that_is_missing_is_exit_code_127_and_said(ran: Ran) -> None:
    result = await ran.run("steps: [{name: a, run: 'true', working-directory: nowhere}]")
    assert result.exit_code == 127
    assert any(line.startswith("The step a could not be started in") for line in ran.said())


async def test_working_directories_begin_beside_the_file(ran: Ran) -> None:
    (ran.folder / "sub").mkdir()
    text = f"""
working-directory: sub
steps:
  - {{name: a, run: pwd > {ran.folder}/a}}
  - {{name: b, run: pwd > {ran.folder}/b, working-directory: /tmp}}
  - {{name: c, run: pwd > {ran.folder}/c, working-directory: .}}
"""
    assert await ran.run(text) == SUCCESS
    found = [(ran.folder / name).read_text().strip() for name in "abc"]
    assert found == [f"{ran.folder}/sub", "/tmp", str(ran.folder)]


async def test_what_a_step_gets(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_ANOTHER_WORKFLOW", "x")
    text = f"""
env: {{A: workflow, B: workflow, N: 1, T: true}}
steps: [{{name: a, run: env -0 > {ran.folder}/env; cp "$DEPLITE_PARAMS" params, env: {{B: step}}}}]
"""
    params = {"n": 2, "flag": True, "x y": "no identifier", "path": "p", "é": "x"}
    what = order(ref="main", trigger="tr-1", debug=True)
    assert await ran.run(text, what, params=params, TOKEN="topsecret") == SUCCESS
    env = dict(one.split("=", 1) for one in (ran.folder / "env").read_text().split("\0") if one)
    expected = {
        **{"A": "workflow", "B": "step", "N": "1", "T": "true", "TOKEN": "topsecret"},
        **{"PARAM_N": "2", "PARAM_FLAG": "true", "PARAM_PATH": "p"},
        **{"DEPLITE_REF": "main", "DEPLITE_TRIGGER": "tr-1", "DEPLITE_DEBUG": "true", "DEPLITE_ATTEMPT": "1"},
        **{"DEPLITE_JOB_ID": "j-1", "DEPLITE_WORKFLOW": "deploy", "DEPLITE_STEP": "a"},
    }
    assert {name: env.get(name) for name in expected} == expected
    assert {name for name in env if name.startswith("PARAM_")} == {"PARAM_N", "PARAM_FLAG", "PARAM_PATH"}
    assert "SECRET_OF_ANOTHER_WORKFLOW" not in env
    assert json.loads((ran.folder / "params").read_text()) == params
    assert not Path(env["DEPLITE_PARAMS"]).parent.exists()


async def test_outputs_of_all_steps_come_together_also_of_a_run_that_failed(ran: Ran) -> None:
    text = """
outputs: [{name: n, type: number}]
steps:
  - {name: a, run: 'echo url=x >> "$DEPLITE_OUTPUT"; echo oops >> "$DEPLITE_OUTPUT"'}
  - {name: b, run: 'echo n=3 >> "$DEPLITE_OUTPUT"; exit 1'}
"""
    result = await ran.run(text)
    assert (result.status, result.output) == ("failed", {"url": "x", "n": 3})
    assert "$DEPLITE_OUTPUT, line 2" in ran.said()[-1]


async def test_a_secret_is_in_no_message_no_name_and_no_line(ran: Ran) -> None:
    text = """
verbose-steps: true
steps: [{name: use topsecret, run: 'echo "$TOKEN"; echo "k=$TOKEN" >> "$DEPLITE_OUTPUT"; exit 1'}]
"""
    result = await ran.run(text, TOKEN="topsecret")
    assert result.message == "The step use *** failed with exit code 1."
    assert result.output == {"k": "***"}
    assert b"topsecret" not in (ran.folder / "log").read_bytes()
    assert ran.said("raw") == ["***"]


@pytest.mark.parametrize(
    ("text", "debug", "shown"),
    [
        ("steps: [{name: a, run: echo a}]", False, ["a"]),
        ("steps: [{name: a, run: echo a}, {name: b, run: echo b}]", False, []),
        ("steps: [{name: a, run: echo a}, {name: b, run: echo b}]", True, ["a", "b"]),
        ("steps: [{name: a, run: echo a}, {name: b, run: echo b, verbose: true}]", False, ["b"]),
        ("verbose-steps: true\nsteps: [{name: a, run: echo a}, {name: b, run: echo b}]", False, ["a", "b"]),
    ],
)
async def test_whose_output_leaves_the_machine(ran: Ran, text: str, debug: bool, shown: list[str]) -> None:
    assert await ran.run(text, order(debug=debug)) == SUCCESS
    assert ran.said("raw") == shown


def test_leftovers_of_a_job_are_removed_and_not_those_of_a_longer_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("deplite-job-a.x1", "deplite-job-a-b.x2"):
        (tmp_path / name).mkdir()
    remove_leftovers(Order(job_id="a", workflow="w"))
    assert [path.name for path in tmp_path.iterdir()] == ["deplite-job-a-b.x2"]
