"""How the process ends, for who supervises it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("environment", "code", "said"),
    [
        ({}, 78, "Set DEPLITE_URL"),
        ({"DEPLITE_URL": "http://127.0.0.1:1"}, 78, "This machine has not enrolled"),
        ({"DEPLITE_URL": "http://127.0.0.1:1", "DEPLITE_TOKEN_FILE": "/nowhere"}, 78, "/nowhere cannot be read"),
        ({"DEPLITE_URL": "http://127.0.0.1:1", "DEPLITE_STATE_DIR": "/dev/null"}, 1, "The state folder /dev/null"),
    ],
)
def test_the_exit_code_says_whether_to_start_it_again(
    environment: dict[str, str], code: int, said: str, tmp_path: Path
) -> None:
    given = {"HOME": str(tmp_path), "DEPLITE_STATE_DIR": str(tmp_path / "state")} | environment
    ended = subprocess.run(
        [sys.executable, "-m", "deplite_agent.main"], env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == code
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
