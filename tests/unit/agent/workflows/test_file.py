"""Workflow files: all that one may say, and one clear sentence for each thing that is wrong."""

import os
from pathlib import Path

import pytest

from deplite_agent.errors import WorkflowFileError
from deplite_agent.workflows.file import load_workflow, parse_workflow, schema_of
from deplite_agent.workflows.model import Retry

STEPS = "steps: [{name: a, run: 'true'}]\n"
ROOT = Path(__file__).resolve().parents[4]


def wrong(text: str) -> str:
    with pytest.raises(WorkflowFileError) as caught:
        parse_workflow(text, "deploy")
    return str(caught.value)


UNKNOWN = "there is no such key; see docs/workflow-file.md"
WRONG = {
    "": "a workflow file is a mapping with `name` and `steps`",
    "- a": "a workflow file is a mapping with `name` and `steps`",
    "name: x": "steps: this is missing",
    "steps: 5": "steps: this must be a list",
    "steps: [5]": "steps.0: this must be a mapping",
    STEPS + "on-error: x": f"on-error: {UNKNOWN}",
    "steps: [{name: a, run: x, continue-on-eror: true}]": f"steps.0.continue-on-eror: {UNKNOWN}",
    "steps: [{name: a, run: x, retry: {attempts: 3, max-attempts: 1}}]": f"steps.0.retry.attempts: {UNKNOWN}",
    "steps: [{name: a, run: 5}]": "steps.0.run: this must be text",
    "steps: [{name: a}]": "steps.0.run: this is missing",
    'steps: [{name: a, run: "a\\0b"}]': "steps.0.run: String should match pattern '^[^\\x00]*$'",
    'steps: [{name: "a\\nb", run: x}]': "steps.0.name: String should match pattern '^[^\\x00-\\x1f\\x7f]*$'",
    "steps: [{name: a, run: x, env: {A: 2026-01-01}}]": "steps.0.env.A: this must be text, a number, true or false",
    "steps: [{name: a, run: x, env: {PATH: x}}]": "steps.0.env: `PATH` is reserved: choose another name",
    STEPS + "env: {LD_PRELOAD: x}": "env: `LD_PRELOAD` is reserved: choose another name",
    STEPS + "secrets: [{name: DEPLITE_REF}]": "secrets.0.name: `DEPLITE_REF` is reserved: choose another name",
    STEPS + "secrets: [{name: ../x}]": "secrets.0.name: String should match pattern '^[A-Za-z_][A-Za-z0-9_]*$'",
    STEPS + "secrets: [{name: A}, {name: A}]": "secrets: `A` is there twice",
    STEPS + "params: [{name: a}, {name: A}]": "params: `PARAM_A` is there twice",
    STEPS + "params: [{name: n, type: number, min: .nan}]": "params.0.min: this must be a finite number",
    STEPS + "params: [{name: n, default: .inf}]": "params.0.default: this must be a finite number",
    STEPS + "version: .inf": "version: this must be a finite number",
    STEPS + "params: [{name: n, type: enum}]": "params.0: an enum needs `options`",
    STEPS + "params: [{name: n, type: number, default: x}]": "a default is wrong: params.n must be a number.",
    STEPS + "params: [{name: n, type: number, default: 9, max: 3}]": "a default is wrong: params.n must be at most 3.",
    STEPS + "params: [{name: n, required: 1}]": "params.0.required: this must be true or false",
    STEPS + "name: ../x": "name: String should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$'",
    STEPS + "name: on": "name: this must be text",
    STEPS + "timeout-minutes: 0": "timeout-minutes: Input should be greater than 0",
    STEPS + "1: 2": "1: Keys should be strings",
    STEPS + "artifacts: []": "artifacts.paths: Tuple should have at least 1 item after validation, not 0",
    STEPS + "artifacts: x": "artifacts: this must be a mapping",
    STEPS + "artifacts: {paths: [a], keep: 3}": f"artifacts.keep: {UNKNOWN}",
    STEPS + "artifacts: {paths: [a], keep-days: 0}": "artifacts.keep-days: Input should be greater than or equal to 1",
    STEPS + "artifacts: {keep-days: 3}": "artifacts.paths: this is missing",
    STEPS
    + "artifacts: [/etc/*]": "artifacts.paths: `/etc/*` leads out of the job's working directory: write a path in "
    "it, without a leading / or ~ and without `..`",
    STEPS + "artifacts: [../x]": "artifacts.paths: `../x` leads out of the job's working directory: write a path in "
    "it, without a leading / or ~ and without `..`",
    STEPS + "artifacts: [dist/]": "artifacts.paths: `dist/` is a folder: write `dist/**` for all files in it",
    STEPS + STEPS: "line 2: the key `steps` is there twice",
    STEPS + "---\na: 1": "line 2: a second document",
    STEPS + "x: *y": "line 2: found undefined alias 'y'",
    STEPS + "x: 'a": "line 2: found unexpected end of stream",
    STEPS + "description: !!str 5": "line 2: the tag `tag:yaml.org,2002:str` is not allowed",
    STEPS + "description: !!python/object/apply:os.system [x]": "line 2: the tag "
    "`tag:yaml.org,2002:python/object/apply:os.system` is not allowed",
    STEPS + "a: &a {x: 1}\nenv: {<<: [*a, *a]}": "line 3: `<<` takes one mapping",
    STEPS + "x: 2026-13-45": "this is not YAML: month must be in 1..12",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(text: str) -> None:
    assert wrong(text) == WRONG[text]


def test_a_pattern_that_nobody_could_check_is_refused() -> None:
    for pattern in ("(?=a)b", "(", "(?<!x)y"):
        assert wrong(STEPS + f"params: [{{name: n, pattern: '{pattern}'}}]").startswith("params.0.pattern: this is no ")


@pytest.mark.parametrize("text", ["x: " + "[" * 20_000, "x: \x00", "x: \ud800", f"x: {'9' * 5000}", "x: @"])
def test_what_is_no_yaml_is_said_too(text: str) -> None:
    assert wrong(text)


def test_aliases_make_no_small_file_large() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    assert wrong(bomb) == "line 12: more than 20 aliases"


def test_a_few_aliases_and_a_merge_are_fine() -> None:
    text = "steps:\n  - &s {name: a, run: x, env: {A: 1}}\n  - {<<: *s, name: b}\n"
    assert [step.name for step in parse_workflow(text, "d").steps] == ["a", "b"]


def test_a_file_says_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yml"
    cases = {
        b"steps: 5": "steps: this must be a list",
        b"\xff\xfe": "this is not UTF-8 text",
        b"#" * (256 * 1024 + 1): "a workflow file has at most 262144 bytes",
    }
    for content, sentence in cases.items():
        path.write_bytes(content)
        with pytest.raises(WorkflowFileError) as caught:
            load_workflow(path)
        assert str(caught.value) == f"{path}: {sentence}"


def test_what_is_no_file_is_said_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").mkdir()
    for name in ("a.yaml", "b.yaml"):
        with pytest.raises(WorkflowFileError, match=r"this is no file$"):
            load_workflow(tmp_path / name)
    with pytest.raises(WorkflowFileError, match=r"cannot be read \(No such file or directory\)$"):
        load_workflow(tmp_path / "c.yaml")


def test_a_workflow_without_a_name_has_its_files(tmp_path: Path) -> None:
    (tmp_path / "roll-out.yaml").write_bytes(b"\xef\xbb\xbf" + STEPS.encode())
    assert load_workflow(tmp_path / "roll-out.yaml").name == "roll-out"


def test_all_that_a_file_may_say() -> None:
    page = (ROOT / "docs" / "workflow-file.md").read_text()
    workflow = parse_workflow(page.split("```yaml\n")[1].split("```")[0], "other")
    assert (workflow.name, workflow.timeout_minutes, workflow.allowed_refs) == (
        "deploy-prod",
        15,
        ("main", "release/*"),
    )
    assert workflow.steps[1].retry == Retry(
        max_attempts=3, backoff="exponential", initial_delay_seconds=2, max_delay_seconds=30
    )
    assert schema_of(workflow) == [
        {"name": "replicas", "type": "number", "required": False, "default": 2, "min": 1, "max": 20},
        {"name": "color", "type": "enum", "required": True, "options": ("blue", "green")},
    ]
    assert schema_of(parse_workflow(STEPS, "d")) is None


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "workflows").glob("*.y*ml")), ids=lambda path: path.name)
def test_the_examples_are_right(path: Path) -> None:
    assert load_workflow(path).steps


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [("fixed", [2, 2, 2, 2]), ("linear", [2, 4, 6, 7]), ("exponential", [2, 4, 7, 7])],
)
def test_waits_between_tries(backoff: str, waits: list[float]) -> None:
    retry = Retry.model_validate(
        {"max-attempts": 9, "backoff": backoff, "initial-delay-seconds": 2, "max-delay-seconds": 7}
    )
    assert [retry.delay(attempt) for attempt in (1, 2, 3, 4)] == waits
    assert retry.delay(100) == waits[-1]


def test_artifacts_have_a_short_form() -> None:
    short = parse_workflow(STEPS + "artifacts: [./dist/*.tar.gz, 'logs/**']", "deploy").artifacts
    assert short is not None
    assert (short.paths, short.keep_days) == (("dist/*.tar.gz", "logs/**/*"), 30)
    long = parse_workflow(STEPS + "artifacts: {paths: [report.html], keep-days: 7}", "deploy").artifacts
    assert long is not None
    assert (long.paths, long.keep_days) == (("report.html",), 7)
    assert parse_workflow(STEPS, "deploy").artifacts is None
