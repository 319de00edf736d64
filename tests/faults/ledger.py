"""What really happened, written by the steps themselves, and what the server says: compared in six counters."""

import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deplite.local import liveness

WORKFLOW = """
name: ledger
description: Writes down that it was started and how it ended
params:
  - {name: lines, type: number, default: 20}
  - {name: pause, type: string, default: "0.05"}
  - {name: code, type: number, default: 0}
  - {name: stubborn, type: boolean, default: false}
  - {name: gated, type: boolean, default: false}
env: {LEDGER: FOLDER}
steps:
  - name: work
    run: |
      test "$PARAM_STUBBORN" = true && trap '' TERM
      echo "$DEPLITE_JOB_ID $DEPLITE_ATTEMPT $$" >> "$LEDGER/starts"
      while test "$PARAM_GATED" = true && ! test -e "$LEDGER/print"; do sleep 0.1; done
      i=0
      while [ "$i" -lt "$PARAM_LINES" ]; do
        echo "line $i of $DEPLITE_JOB_ID"
        i=$((i + 1))
        test "$PARAM_PAUSE" = 0 || sleep "$PARAM_PAUSE" || true
      done
      while test "$PARAM_GATED" = true && ! test -e "$LEDGER/end"; do sleep 0.1; done
      echo "$DEPLITE_JOB_ID $PARAM_CODE" >> "$LEDGER/ends"
      exit "$PARAM_CODE"
"""
"""A step of it takes about `lines * pause` seconds."""


@dataclass(frozen=True, kw_only=True)
class Counters:
    """The six numbers that must be 0."""

    lost: int = 0
    """Acknowledged, and unknown or without an end."""
    doubled: int = 0
    """Starts beyond the first of each job."""
    lines_lost: int = 0
    lines_doubled: int = 0
    wrong: int = 0
    """Ended otherwise than its own ledger says."""
    stuck: int = 0
    """Not ended when everything should have been."""
    details: Sequence[str] = field(default=(), compare=False)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the server says of one acknowledged job; `detail` is None for one that it does not know."""

    detail: Mapping[str, Any] | None
    raw: Sequence[str]
    """Content of the raw lines, in the order of their seq."""
    params: Mapping[str, Any]


class Ledger:
    """The folder that the steps write to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("starts", "ends"):
            (folder / name).touch()

    def workflow(self) -> str:
        """Return the workflow file whose steps write here."""
        return WORKFLOW.replace("FOLDER", str(self.folder))

    def open(self, gate: str) -> None:
        """Let gated jobs go on, to `print` their lines, then to their `end`."""
        (self.folder / gate).touch()

    def starts(self) -> Counter[str]:
        """Return how often each job was started."""
        return Counter(line.split()[0] for line in self._lines("starts"))

    def pids(self, job_id: str) -> list[int]:
        """Return the processes that a job was started in."""
        return [int(line.split()[2]) for line in self._lines("starts") if line.startswith(f"{job_id} ")]

    def living(self, job_id: str) -> list[int]:
        """Return those of them that are still there: a number alone may be somebody else's by now."""
        return [pid for pid in self.pids(job_id) if _is_of_job(pid, job_id)]

    def ends(self) -> dict[str, int]:
        """Return the exit code that each job reached."""
        return {job: int(code) for job, code in (line.split() for line in self._lines("ends"))}

    def compare(self, seen: Mapping[str, Seen], *, may_crash: bool = False, excused: Collection[str] = ()) -> Counters:
        """Return the counters over all acknowledged jobs.

        Args:
            seen: what the server says of each.
            may_crash: agents were killed: a job may have ended as `agent_crashed`, with a log that breaks off.
            excused: reasons that stand before what the step itself reached, e.g. `agent_lost`; the log is whole.
        """
        starts, ends = self.starts(), self.ends()
        details: list[str] = []
        count: Counter[str] = Counter()
        for job_id, one in seen.items():
            for problem in _problems(job_id, one, ends.get(job_id), may_crash, excused):
                count[problem.split(":")[0]] += 1
                details.append(f"{job_id} {problem}")
        doubled = {job: times for job, times in starts.items() if job in seen and times > 1}
        details += [f"{job} started {times} times" for job, times in doubled.items()]
        return Counters(
            lost=count["lost"],
            doubled=sum(times - 1 for times in doubled.values()),
            lines_lost=count["lines lost"],
            lines_doubled=count["lines doubled"],
            wrong=count["wrong"],
            stuck=count["stuck"],
            details=details[:20],
        )

    def _lines(self, name: str) -> list[str]:
        return [line for line in (self.folder / name).read_text().splitlines() if line.strip()]


def _problems(job_id: str, seen: Seen, end: int | None, may_crash: bool, excused: Collection[str]) -> list[str]:
    detail = seen.detail
    if detail is None:
        return ["lost: the server does not know it"]
    if detail["status"] not in ("success", "failed"):
        return [f"stuck: {detail['status']}"]
    crashed = may_crash and detail["reason"] == "agent_crashed"
    found = []
    if not crashed and detail["reason"] not in excused and not _is_true(detail, end):
        found.append(f"wrong: ledger says {end}, server {detail['status']} {detail['exitCode']} {detail['reason']}")
    numbers = [int(match[1]) for line in seen.raw if (match := re.match(rf"line (\d+) of {job_id}\n$", line))]
    if len(set(numbers)) < len(numbers):
        found.append(f"lines doubled: {numbers}")
    expected = int(seen.params.get("lines", 20)) if end is not None and not crashed else len(set(numbers))
    if set(numbers) != set(range(expected)):
        found.append(f"lines lost: {sorted(set(range(expected)) - set(numbers))}")
    return found


def _is_true(detail: Mapping[str, Any], end: int | None) -> bool:
    if end is None:  # never got to its end: something stopped it, and the reason says what
        return detail["status"] == "failed" and detail["reason"] not in (None, "exit_code")
    return bool(detail["status"] == ("success" if end == 0 else "failed") and detail["exitCode"] == end)


def _is_of_job(pid: int, job_id: str) -> bool:
    if sys.platform != "linux":
        return bool(liveness.birth(pid))
    try:
        return f"DEPLITE_JOB_ID={job_id}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
