"""The workflows that this machine offers: looked at for each report and each job, and read where a file changed."""

import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deplite_agent.errors import WorkflowFileError
from deplite_agent.workflows.file import load_workflow
from deplite_agent.workflows.model import Workflow
from deplite_agent.workflows.report import report_of

log = logging.getLogger(__name__)

MAX_WORKFLOWS = 200
"""What the server takes."""
MAX_REPORT_BYTES = 256 * 1024 - 64
"""What the server takes, without what stands around the workflows."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A workflow and the file that it stands in."""

    workflow: Workflow
    path: Path


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What one look into the folder found."""

    found: dict[str, Found] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """A sentence for each file that cannot be used; the others are."""

    def report(self) -> dict[str, Any]:
        """Return the body of `POST /agent/workflows/report`."""
        return {"workflows": [report_of(self.found[name].workflow) for name in sorted(self.found)]}


_Stamp = tuple[int, ...]
"""What changes when a file does: inode, size, and the times of its content and of its entry, in nanoseconds."""
_ABSENT: _Stamp = ()


def _stamp(path: Path) -> _Stamp:
    try:
        stat = os.stat(path)
    except OSError:
        return _ABSENT
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What a file said when it was last read."""

    stamp: _Stamp
    said: Workflow | WorkflowFileError
    size: int = 0
    """Bytes of the report, in the longest spelling of JSON."""


class Inventory:
    """The folder of workflow files (`*.yaml` and `*.yml`, no subfolders)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._said: tuple[str, ...] = ()
        self._read: dict[Path, _Read] = {}
        """What each file said when it was last read."""

    def scan(self) -> Scan:
        """Look at every file; problems that were not there at the last look are logged."""
        found: dict[str, Found] = {}
        problems: list[str] = []
        self._read = {path: self._load(path) for path in self.files()}
        room = MAX_REPORT_BYTES
        for path, read in self._read.items():
            workflow = read.said
            if isinstance(workflow, WorkflowFileError):
                problems.append(str(workflow))
            elif workflow.name in found:
                problems.append(f"{path}: the name {workflow.name} is taken by {found[workflow.name].path}")
            elif len(found) == MAX_WORKFLOWS:
                problems.append(f"{path}: an agent offers at most {MAX_WORKFLOWS} workflows")
            elif read.size > room:
                problems.append(
                    f"{path}: an agent's workflows have at most {MAX_REPORT_BYTES} bytes together as reported"
                )
            else:
                room -= read.size
                found[workflow.name] = Found(workflow=workflow, path=path)
        self._tell(tuple(problems))
        return Scan(found=found, problems=tuple(problems))

    def files(self) -> list[Path]:
        """Return the workflow files; a folder that is not there has none."""
        try:
            entries = sorted(self.folder.iterdir())
        except OSError:
            return []
        return [path for path in entries if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")]

    def fingerprint(self) -> tuple[tuple[str, "_Stamp"], ...]:
        """Return something that changes with any file."""
        return tuple((path.name, _stamp(path)) for path in self.files())

    def _load(self, path: Path) -> "_Read":
        stamp = _stamp(path)  # before the content: a change in between is read at the next look
        known = self._read.get(path)
        if known is not None and known.stamp == stamp != _ABSENT:
            return known
        try:
            workflow = load_workflow(path)
        except WorkflowFileError as error:
            return _Read(stamp=stamp, said=error)
        return _Read(stamp=stamp, said=workflow, size=len(json.dumps(report_of(workflow))) + 2)

    def _tell(self, problems: tuple[str, ...]) -> None:
        for problem in problems:
            if problem not in self._said:
                log.error("%s", problem, extra={"action": "workflow_file"})
        self._said = problems
