"""The workflows that this machine offers: read anew for each report, and for each job."""

import logging
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


class Inventory:
    """The folder of workflow files (`*.yaml` and `*.yml`, no subfolders)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._said: tuple[str, ...] = ()

    def scan(self) -> Scan:
        """Read every file; problems that were not there at the last look are logged."""
        found: dict[str, Found] = {}
        problems: list[str] = []
        for path in self.files():
            try:
                workflow = load_workflow(path)
            except WorkflowFileError as error:
                problems.append(str(error))
                continue
            if workflow.name in found:
                problems.append(f"{path}: the name {workflow.name} is taken by {found[workflow.name].path}")
            elif len(found) == MAX_WORKFLOWS:
                problems.append(f"{path}: an agent offers at most {MAX_WORKFLOWS} workflows")
            else:
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

    def fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        """Return something that changes with any file: name, time of change in nanoseconds, size."""
        seen = []
        for path in self.files():
            try:
                stat = path.stat()
            except OSError:
                continue
            seen.append((path.name, stat.st_mtime_ns, stat.st_size))
        return tuple(seen)

    def _tell(self, problems: tuple[str, ...]) -> None:
        for problem in problems:
            if problem not in self._said:
                log.error("%s", problem, extra={"action": "workflow_file"})
        self._said = problems
