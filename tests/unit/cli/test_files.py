"""`deplite files`: its help, wrong usage, and what it prints where there is no terminal."""

import argparse
import io

import pytest
from rich.console import Console

from deplite.cli import transfers
from deplite.cli.files import _seconds
from deplite.cli.main import main
from deplite.cli.transfers import shown, transfer


@pytest.mark.parametrize("action", ["up", "down", "list", "delete"])
def test_every_action_explains_itself(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["files", action, "--help"])
    assert ended.value.code == 0
    assert f"usage: deplite files {action}" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "seconds"), {"90": 90, "90s": 90, "5m": 300, "12h": 43200, "7d": 604800}.items())
def test_times(text: str, seconds: int) -> None:
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "1.5h", "1w", "7 d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="12h or 7d"):
        _seconds(text)


def test_without_an_environment_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DEPLITE_URL", "DEPLITE_JWT", "DEPLITE_API_TOKEN", "DEPLITE_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    assert main(["files", "list"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("deplite: Set DEPLITE_URL to the server's address")
    assert len(said.splitlines()) == 1


def test_what_is_kept_for_ever_has_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["files", "up", "x", "--rule", "persistent", "--ttl", "7d"]) == 1
    assert "leave --ttl out" in capsys.readouterr().err


def test_lines_now_and_then_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "LINE_SECONDS", 0.0)
    written = io.StringIO()
    with transfer(Console(file=written), "a[b]\u202e.txt") as told:
        told("uploading", 1024, 4096)
    assert written.getvalue() == "uploading a[b]?.txt: 25% of 4.0 KiB\n"


def test_a_bar_on_a_terminal() -> None:
    written = io.StringIO()
    with transfer(Console(file=written, force_terminal=True, width=120), "a[b].txt") as told:
        told("checking", 4096, 4096)
        told("uploading", 1024, 4096)
    assert "uploading a[b].txt" in written.getvalue()


def test_a_name_cannot_speak_to_the_terminal() -> None:
    assert shown("a\x1b[2Jb\nc") == "a?[2Jb?c"
