"""What a long step shows where no bar can be shown."""

import io

import pytest
from rich.console import Console

from deplite.local import progress
from deplite.local.progress import Steps


def shown(terminal: bool) -> str:
    output = io.StringIO()
    steps = Steps(Console(file=output, force_terminal=terminal, width=120))
    with steps.shown(), steps.step("Programs") as step:
        step.advance(31.2, 100, "compiling, 750 of 2521 packages, about 1 min 40 s left")
    return output.getvalue()


def test_a_line_is_printed_now_and_then_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    assert " 31% compiling, 750 of 2521 packages, about 1 min 40 s left\n" in shown(terminal=False)


def test_not_more_often_than_every_ten_seconds() -> None:
    assert progress.LINE_SECONDS == 10
    assert "compiling" not in shown(terminal=False)
