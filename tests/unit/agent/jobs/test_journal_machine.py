"""The journal against a model of it: written, torn by crashes, opened again, in any order."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deplite_agent.jobs.journal import Journal, State
from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.result import Result, crashed
from tests.unit.agent.builders import order
from tests.unit.agent.disks import cut

UNENDED = (State.ACCEPTED, State.CLAIMED, State.STARTING)


class JournalLife(RuleBasedStateMachine):
    """The model: the furthest state that was ever on the disk, and the one result."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = Path(tempfile.mkdtemp(prefix="deplite-journal-"))
        self.started = False
        self.result: Result | None = None
        self.reported = False
        self.found_started = False
        """Read in `starting`: this process may only settle it."""

    @initialize()
    def accept(self) -> None:
        self.journal = Journal.create(self.jobs, order(), "i1")

    @property
    def state(self) -> State:
        return self.journal.life.state

    @precondition(lambda self: self.state is State.ACCEPTED)
    @rule()
    def claim(self) -> None:
        self.journal.claimed()

    @precondition(lambda self: self.state in (State.CLAIMED, State.STARTING) and not self.started)
    @rule()
    def print_a_line(self) -> None:
        job_log = JobLog(self.journal.log_path, Masker(), lambda: None)
        job_log.summary("Work started")
        job_log.close()

    @precondition(lambda self: self.state in (State.CLAIMED, State.STARTING) and not self.found_started)
    @rule(group=st.integers(2, 9999))
    def start(self, group: int) -> None:
        if not self.journal.log_path.exists():
            self.print_a_line()  # as a run does before each step
        self.journal.starting(group)
        self.started = True

    @precondition(lambda self: self.state in UNENDED)
    @rule(code=st.integers(0, 255))
    def exit(self, code: int) -> None:
        self.result = Result(status="failed", reason="exit_code", exit_code=code)
        self.journal.exited(self.result)

    @precondition(lambda self: self.state is State.EXITED)
    @rule()
    def report(self) -> None:
        self.journal.reported()
        self.reported = True

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self._read()

    @rule(lost=st.integers(1, 4), left=st.sampled_from(("nothing", "half", "all but its end")))
    def tear(self, lost: int, left: str) -> None:
        """The machine loses power, and the disk the last records; of the first of them something may be left.

        Not some number of bytes: a time of day has more digits or fewer, and the same example must be the same again.
        """
        self.journal.close()
        path = self.journal.folder / "journal"
        records = path.read_bytes().splitlines(keepends=True)
        if records:
            whole, torn = records[:-lost], records[-lost:][0]
            rest = {"nothing": 0, "half": len(torn) // 2, "all but its end": len(torn) - 1}[left]
            cut(path, len(b"".join(whole)) + rest)
        self.reported = False
        self._read()
        if self.journal.life.result is None:
            self.result = None

    def _read(self) -> None:
        folder = self.journal.folder
        found = Journal.read(folder)
        if found is None and Journal.lost(folder):
            found = Journal.salvage(folder, order(), "i2")
        self.journal = found or Journal.create(self.jobs, order(), "i1")
        self.found_started = self.state is State.STARTING

    @precondition(lambda self: self.state is State.STARTING)
    @rule()
    def settle(self) -> None:
        self.result = crashed("The agent ended.")
        self.journal.exited(self.result)

    @invariant()
    def what_started_is_never_started_again(self) -> None:
        if hasattr(self, "journal") and self.started and not self._without_a_trace():
            assert self.state not in (State.ACCEPTED, State.CLAIMED)

    @invariant()
    def the_result_is_the_true_one(self) -> None:
        if hasattr(self, "journal"):
            assert self.journal.life.result == self.result
            assert (self.state is State.REPORTED) == self.reported

    def _without_a_trace(self) -> bool:
        """A reported job has no log any more; a disk that then loses the journal as well has lost all of it."""
        return not self.journal.log_path.exists() and (self.journal.folder / "journal").read_bytes().count(b"\n") < 3

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
        shutil.rmtree(self.jobs)


TestJournalLife = JournalLife.TestCase
TestJournalLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
