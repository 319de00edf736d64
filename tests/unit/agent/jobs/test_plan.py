"""The agent's own checks: the order against the file on this machine, whatever the server says."""

from pathlib import Path
from typing import Any

import pytest

from deplite.protocol.phases import Reason
from deplite_agent.jobs.environment import MissingSecretError, SecretStore, base_environment
from deplite_agent.jobs.order import Order
from deplite_agent.jobs.plan import Plan, RejectedError, plan
from deplite_agent.jobs.result import MAX_MESSAGE, Result, crashed, rejected, stopped
from deplite_agent.workflows.inventory import Inventory
from deplite_agent.workflows.model import Secret
from tests.unit.agent.builders import one_step, order, write_workflow

PARAMS = "params:\n  - {name: n, type: number, default: 2, min: 1, max: 9}\n  - {name: s, required: true}\n"


def planned(folder: Path, what: Order, text: str, **secrets: str) -> Plan:
    write_workflow(folder, text + one_step("true"))
    return plan(what, Inventory(folder / "workflows"), SecretStore(folder / "secrets", secrets))


def test_params_are_checked_and_coerced_again(tmp_path: Path) -> None:
    assert planned(tmp_path, order(params={"n": "3", "s": 1}), PARAMS).params == {"n": 3, "s": "1"}
    assert planned(tmp_path, order(params={"s": "x"}), PARAMS).params == {"n": 2, "s": "x"}
    assert planned(tmp_path, order(params={"any": True}), "").params == {"any": True}


@pytest.mark.parametrize(
    ("said", "text", "sentence"),
    [
        ({"params": {}}, PARAMS, "params.s is required."),
        ({"params": {"s": "x", "n": 10}}, PARAMS, "params.n must be at most 9."),
        ({"params": {"s": "x", "other": 1}}, PARAMS, "params.other is not a param of the workflow."),
        ({"params": {"s": [1]}}, PARAMS, "params.s must be a string, a number or a boolean."),
        ({"params": {"A=B": 1}}, "", 'params has the name "A=B"'),
        ({"params": {"a": "x\0"}}, "", "params.a must not hold a NUL character."),
        ({"ref": "--upload-pack=x"}, "", "ref is not a valid git ref"),
        ({"ref": "dev"}, "allowed-refs: [main]\n", "The workflow's allowed-refs on the agent do not include the ref"),
        ({}, "allowed-refs: [main]\n", "The workflow's allowed-refs on the agent do not include the ref"),
        ({"workflow": "other"}, "", "There is no workflow named other on the agent."),
        (
            {},
            "secrets: [{name: TOKEN, required: true}]\n",
            "The secret TOKEN is missing on the agent; put its value into",
        ),
    ],
)
def test_what_this_machine_refuses(tmp_path: Path, said: dict[str, Any], text: str, sentence: str) -> None:
    with pytest.raises(RejectedError) as caught:
        planned(tmp_path, order(**said), text)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("ref", ["main", "refs/heads/main", "release/1"])
def test_refs_that_the_file_allows(tmp_path: Path, ref: str) -> None:
    assert planned(tmp_path, order(ref=ref), "allowed-refs: [main, release/*]\n").workflow.name == "deploy"


def store(tmp_path: Path, **environment: str) -> SecretStore:
    (tmp_path / "secrets").mkdir(exist_ok=True)
    return SecretStore(tmp_path / "secrets", environment)


def secret(name: str = "TOKEN", *, required: bool = False) -> Secret:
    return Secret(name=name, required=required)


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"x", "x"), (b"x\n", "x"), (b"x\r\n", "x"), (b"x\n\n", "x\n"), (b" x ", " x "), (b"\xff", "\udcff")],
)
def test_a_secrets_file(tmp_path: Path, content: bytes, value: str) -> None:
    found = store(tmp_path, TOKEN="of the environment")
    (tmp_path / "secrets" / "TOKEN").write_bytes(content)
    assert found.values((secret(),)) == {"TOKEN": value}


def test_the_environment_comes_second_and_what_is_missing_is_left_out(tmp_path: Path) -> None:
    assert store(tmp_path, TOKEN="x").values((secret(), secret("OTHER"))) == {"TOKEN": "x"}
    assert store(tmp_path, TOKEN="").values((secret(),)) == {}


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_file_is_a_missing_secret(tmp_path: Path, content: bytes) -> None:
    found = store(tmp_path)
    (tmp_path / "secrets" / "TOKEN").write_bytes(content)
    with pytest.raises(MissingSecretError, match=r"^The secret TOKEN, OTHER is missing"):
        found.values((secret(required=True), secret("OTHER", required=True)))


@pytest.mark.parametrize("content", [b"x" * (64 * 1024 + 1), b"a\0b"])
def test_a_secret_that_no_variable_can_hold_is_said_without_its_value(tmp_path: Path, content: bytes) -> None:
    found = store(tmp_path)
    (tmp_path / "secrets" / "TOKEN").write_bytes(content)
    with pytest.raises(MissingSecretError, match=r"is no text of at most 65536 bytes\.$") as caught:
        found.values((secret(),))
    assert len(str(caught.value)) < 300


def test_a_secret_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    found = store(tmp_path)
    (tmp_path / "secrets" / "TOKEN").mkdir()
    with pytest.raises(MissingSecretError, match=r"cannot be read from .* \(Is a directory\)\.$"):
        found.values((secret(),))


def test_of_the_agents_environment_only_what_programs_need() -> None:
    kept = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "HTTPS_PROXY": "p"}
    kept |= {f"KUBERNETES_SERVICE_{name}": "x" for name in ("HOST", "PORT", "PORT_HTTPS")}
    rest = {
        "DEPLITE_TOKEN": "enr_x",
        "DEPLITE_TOKEN_FILE": "/x",
        "CREDENTIALS_DIRECTORY": "/x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "LD_PRELOAD": "x",
        "PYTHONPATH": "x",
    }
    assert base_environment(kept | rest) == kept


PAYLOAD: dict[str, Any] = {"job_id": "j-1", "workflow_name": "w"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, Order(job_id="j-1", workflow="w")),
        ({"job_uid": "abcdef0123-x"}, Order(job_id="j-1", job_uid="abcdef0123-x", workflow="w")),
        ({"ref": "", "params": [1], "debug": 1, "trigger": 7, "job_uid": None}, Order(job_id="j-1", workflow="w")),
        ({"ref": "main", "debug": True, "force": True}, Order(job_id="j-1", workflow="w", ref="main", debug=True)),
        ({"job_id": "../x"}, None),
        ({"job_id": ""}, None),
        ({"job_id": "-"}, None),
        ({"job_id": "é"}, None),
        ({"job_id": "a" * 129}, None),
        ({"job_id": 7}, None),
        ({"workflow_name": None}, None),
        ({"job_uid": "a/b"}, None),
    ],
)
def test_what_a_payload_asks_for(said: dict[str, Any], expected: Order | None) -> None:
    assert Order.from_payload(PAYLOAD | said) == expected


def test_an_order_comes_back_from_its_record_and_names_its_folder() -> None:
    one = order(ref="main", params={"n": 1}, debug=True, trigger="tr-1")
    assert Order.from_record(one.record()) == one
    assert one.key == "j-1-u1234567"
    assert order(job_uid="").key == "j-1"
    assert order(job_uid="u12345678901").key == "j-1-u1234567"


def test_how_endings_are_told() -> None:
    assert Result(status="success", exit_code=0).body() == {"status": "success", "exitCode": 0}
    assert len(crashed("x" * 9000).body()["errorMessage"]) == MAX_MESSAGE
    assert rejected("no").body() == {"status": "rejected", "reason": "no", "errorMessage": "no"}
    assert stopped(Reason.TIMEOUT).status == "timeout"
    assert stopped(Reason.SUPERSEDED).reason == "superseded"
