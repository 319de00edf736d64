"""The form of log lines, of whoever speaks: seen from outside of a process, as a collector sees it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

SPEAKING = """
import logging, threading, warnings
from deplite.log import configure_logging, job_id, request_id
configure_logging("json", "{level}")
request_id.set("r1")
job_id.set("j1")
logging.getLogger("uvicorn.error").info("from a library")
logging.getLogger("urllib3.connectionpool").info("an address")
logging.getLogger("some.library").debug("a body")
logging.getLogger("deplite_apiserver.x").debug("ours", extra={{"action": "tried", "settings": 1}})
warnings.warn("careful", UserWarning)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("two\\nlines")
"""


def said(program: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code, and each line as the object that it must be."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


def test_libraries_warnings_threads_and_the_last_error_are_objects_too() -> None:
    code, lines = said(SPEAKING.format(level="info"))
    assert code == 1
    assert [line["logger"] for line in lines] == ["uvicorn.error", "py.warnings", "deplite", "deplite"]
    assert [(line["requestId"], line["jobId"]) for line in lines[:2]] == [("r1", "j1")] * 2
    assert lines[-1]["message"].endswith("two\nlines")
    assert lines[-1]["level"] == "critical"
    assert "RuntimeError" in lines[-1]["exception"]
    assert "ZeroDivisionError" in lines[-2]["exception"]


def test_at_debug_only_we_say_more() -> None:
    _, lines = said(SPEAKING.format(level="debug"))
    assert [line["message"] for line in lines if line["level"] == "debug"] == ["ours"]
    assert not any("settings" in line for line in lines)


def test_at_error_nobody_says_less_than_that() -> None:
    _, lines = said(SPEAKING.format(level="error"))
    assert {line["level"] for line in lines} == {"critical"}


@pytest.mark.parametrize(
    ("part", "variable", "ends_with"),
    [("apiserver", "DEPLITE_S3_ENDPOINT", 1), ("operator", "DEPLITE_PUBLIC_URL", 1), ("agent", "DEPLITE_URL", 78)],
)
def test_a_setting_that_is_missing_is_told_in_the_same_form(part: str, variable: str, ends_with: int) -> None:
    program = f"import sys; from deplite_{part}.main import main; sys.exit(main())"
    code, lines = said(program, DEPLITE_LOG_FORMAT="json")
    assert code == ends_with
    ((message, level),) = [(line["message"], line["level"]) for line in lines]
    assert variable in message
    assert level == "critical"
