"""The command: its help, its exit codes, and errors as one line."""

import json
import subprocess
from pathlib import Path

import pytest

from deplite.cli import status
from deplite.cli.main import main
from deplite.local.envfile import write_env
from deplite.local.errors import LocalError
from deplite.local.layout import Layout


@pytest.mark.parametrize("subcommand", ["up", "down", "status", "setup", "files"])
def test_every_subcommand_explains_itself(subcommand: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([subcommand, "--help"])
    assert ended.value.code == 0
    assert f"usage: deplite {subcommand}" in capsys.readouterr().out


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["up", "--port", "99999"])
    assert ended.value.code == 2
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "9", "two", "-1"])
def test_so_many_replicas_are_refused_and_that_says_how_many_there_may_be(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["up", "--replicas", number])
    assert ended.value.code == 2
    assert "--replicas: choose a number from 1 to 8" in capsys.readouterr().err


def test_status_of_nothing_is_an_empty_list_and_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--data", str(tmp_path), "--output", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"parts": []}
    assert list(tmp_path.iterdir()) == []


def test_down_of_nothing_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down", "--data", str(tmp_path)]) == 0
    assert "nothing to stop" in capsys.readouterr().out


def test_an_error_of_ours_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(layout: Layout) -> None:
        raise LocalError("it is broken: mend it")

    monkeypatch.setattr(status, "look", fail)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "deplite: it is broken: mend it\n"


def test_a_shell_reads_the_env_file_as_it_was_meant(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path).make()
    write_env(layout, {"KUBECONFIG": "/it's a path/$HOME"})
    shown = subprocess.run(
        ["sh", "-c", '. "$0"; printf %s "$KUBECONFIG"', str(layout.env)], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "/it's a path/$HOME"
    assert layout.env.stat().st_mode & 0o777 == 0o600
