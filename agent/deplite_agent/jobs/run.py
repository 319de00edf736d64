"""Runs the steps of a job that was claimed, and says how it ended. Cancelling it leaves no process behind."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deplite.protocol.phases import Reason
from deplite_agent.jobs.environment import job_environment, spelled
from deplite_agent.jobs.group import GRACE_SECONDS
from deplite_agent.jobs.log import JobLog, Level
from deplite_agent.jobs.order import Order
from deplite_agent.jobs.output import read_output
from deplite_agent.jobs.plan import Plan
from deplite_agent.jobs.result import Result
from deplite_agent.jobs.step import CannotStartError, Command, Ended, run_try
from deplite_agent.workflows.model import Retry, Step

_CANNOT_START = 127
"""The exit code of a step whose process could not be made, as shells have it."""
_ONCE = Retry(max_attempts=1)


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """The step that ended the run."""

    step: Step
    ended: Ended
    job_timed_out: bool = False


class Run:
    """One job's steps, from the first to the last."""

    def __init__(
        self,
        order: Order,
        plan: Plan,
        log: JobLog,
        starting: Callable[[int], None],
        *,
        grace: float = GRACE_SECONDS,
    ) -> None:
        """Make a run.

        Args:
            order: the job.
            plan: what it is going to do.
            log: where everything it says goes.
            starting: told each process group before anything in it runs.
            grace: seconds between SIGTERM and SIGKILL.
        """
        self._grace = grace
        self._order, self._plan, self._log, self._starting = order, plan, log, starting
        self._deadline = time.monotonic() + plan.workflow.timeout_minutes * 60
        self._tries: dict[int, int] = {}
        """Tries so far by the step's place in the file."""

    async def run(self) -> Result:
        """Run it all and return the end."""
        folder = Path(tempfile.mkdtemp(prefix=_prefix(self._order)))
        try:
            environment = job_environment(
                self._order, self._plan.workflow, self._plan.params, self._plan.secrets, folder
            )
            failure = await self._attempts(environment)
            output, problems = read_output(folder / "output", self._plan.workflow.outputs, self._log.masker)
            for problem in problems:
                self._log.summary(problem, level="warn")
            return self._end(failure, output)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _attempts(self, environment: Mapping[str, str]) -> _Failure | None:
        """Run the workflow as often as its own `retry` says."""
        retry = self._plan.workflow.retry or _ONCE
        for attempt in range(1, retry.max_attempts + 1):
            failure = await self._steps(environment)
            if failure is None or failure.job_timed_out or attempt == retry.max_attempts:
                return failure
            again = f"Trying the workflow again ({attempt + 1} of {retry.max_attempts})"
            if not await self._pause(retry, attempt, again, ""):
                return failure
        raise AssertionError("unreachable")

    async def _steps(self, environment: Mapping[str, str]) -> _Failure | None:
        for number, step in enumerate(self._plan.workflow.steps):
            failure = await self._step(number, step, environment)
            if failure is not None and (failure.job_timed_out or not step.continue_on_error):
                return failure
        return None

    async def _step(self, number: int, step: Step, environment: Mapping[str, str]) -> _Failure | None:
        retry = step.retry or _ONCE
        if time.monotonic() >= self._deadline:
            return _Failure(step=step, ended=Ended(exit_code=0, timed_out=True), job_timed_out=True)
        self._log.summary(f"{_capital(step.name)} started", step=step.name)
        for attempt in range(1, retry.max_attempts + 1):
            began = time.monotonic()
            ended, job_timed_out = await self._try(number, step, environment)
            failed = ended.exit_code != 0 or ended.timed_out
            self._say_end(step, ended, time.monotonic() - began)
            if not failed:
                return None
            failure = _Failure(step=step, ended=ended, job_timed_out=job_timed_out)
            if job_timed_out or attempt == retry.max_attempts:
                return failure
            again = f"Trying {step.name} again ({attempt + 1} of {retry.max_attempts})"
            if not await self._pause(retry, attempt, again, step.name):
                return failure
        raise AssertionError("unreachable")

    async def _try(self, number: int, step: Step, environment: Mapping[str, str]) -> tuple[Ended, bool]:
        """Run a step once; says whether it was the whole job's time that ended."""
        self._tries[number] = self._tries.get(number, 0) + 1
        left = max(self._deadline - time.monotonic(), 0.001)
        own = step.timeout_minutes * 60 if step.timeout_minutes is not None else left
        variables = dict(environment)
        variables |= {name: spelled(value) for name, value in step.env.items()}
        variables["DEPLITE_ATTEMPT"] = str(self._tries[number])
        variables["DEPLITE_STEP"] = step.name
        command = Command(step=step, environment=variables, folder=self._plan.folder_of(step), timeout=min(own, left))
        shown = self._plan.workflow.shows_raw(step, debug=self._order.debug)
        raw = self._log.raw(step.name, shown=shown)
        try:
            ended = await run_try(command, starting=self._starting, output=raw.feed, grace=self._grace)
        except CannotStartError as error:
            self._log.summary(str(error), step=step.name, level="error")
            ended = Ended(exit_code=_CANNOT_START)
        finally:
            raw.close()
            self._log.sync()
        return ended, ended.timed_out and left <= own

    async def _pause(self, retry: Retry, attempt: int, what: str, step: str) -> bool:
        """Wait before the next try; False if the job's time would end before: then this was the last one."""
        delay = retry.delay(attempt)
        if time.monotonic() + delay >= self._deadline:
            self._log.summary("The workflow's time leaves no room for another try", step=step, level="warn")
            return False
        when = f" in {delay:g} s" if delay else ""
        self._log.summary(f"{what}{when}", step=step, level="warn")
        await asyncio.sleep(delay)
        return True

    def _say_end(self, step: Step, ended: Ended, seconds: float) -> None:
        name, took = _capital(step.name), f"({seconds:.1f} s)"
        bad: Level = "warn" if step.continue_on_error else "error"
        if ended.timed_out:
            self._log.summary(f"{name} was stopped: its time was over {took}", step=step.name, level=bad)
        elif ended.exit_code:
            self._log.summary(f"{name} failed: exit code {ended.exit_code} {took}", step=step.name, level=bad)
        else:
            self._log.summary(f"{name} finished {took}", step=step.name)

    def _end(self, failure: _Failure | None, output: dict[str, object]) -> Result:
        shown = output or None
        if failure is None:
            return Result(status="success", exit_code=0, output=shown)
        name = self._log.masker.mask(failure.step.name)
        if failure.job_timed_out:
            minutes = self._plan.workflow.timeout_minutes
            message = f"The workflow's time ({minutes:g} min) was over in the step {name}."
            return Result(status="timeout", reason=Reason.TIMEOUT.value, message=message, output=shown)
        if failure.ended.timed_out:
            message = f"The step {name} took longer than {failure.step.timeout_minutes:g} min."
            return Result(status="timeout", reason=Reason.TIMEOUT.value, message=message, output=shown)
        code = failure.ended.exit_code
        message = f"The step {name} failed with exit code {code}."
        return Result(status="failed", reason=Reason.EXIT_CODE.value, exit_code=code, message=message, output=shown)


def remove_leftovers(order: Order) -> None:
    """Remove the files of a job whose agent was killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_prefix(order)}*"):
        shutil.rmtree(path, ignore_errors=True)


def _prefix(order: Order) -> str:
    return f"deplite-job-{order.key}."  # no dot is in a key, so none is the beginning of another one's prefix


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
