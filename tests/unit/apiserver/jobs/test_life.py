"""The life of a job against a model of it: who holds it, how it ended, and what came too late."""

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deplite.protocol.phases import Phase, Reason
from deplite.resources import DeployJob
from deplite.resources.deployjob import DeployJobStatus
from deplite_apiserver.jobs.transition import Claimed, Ended, Event, Reported, Verdict, decide
from tests.unit.apiserver.jobs.builders import NOW, job

Instance = str | None
instances = st.sampled_from([None, "one", "two"])
FROM_BOTH = {Reason.TIMEOUT, Reason.AGENT_REVOKED}
FROM_QUEUED = FROM_BOTH | {Reason.EXPIRED, Reason.CANCELLED, Reason.SUPERSEDED, Reason.REJECTED}
FROM_RUNNING = FROM_BOTH | {Reason.AGENT_LOST, Reason.AGENT_CRASHED}


@dataclass(frozen=True)
class Result:
    """What an agent says of the end."""

    exit_code: int | None
    message: str | None

    @property
    def phase(self) -> Phase:
        return Phase.SUCCEEDED if self.exit_code == 0 else Phase.FAILED

    def event(self, instance: Instance) -> Reported:
        reason = None if self.phase is Phase.SUCCEEDED else Reason.EXIT_CODE
        end = DeployJobStatus(phase=self.phase, reason=reason, exit_code=self.exit_code, message=self.message)
        return Reported(instance=instance, status="failed" if reason else "success", end=end, at=NOW)


results = st.builds(Result, st.sampled_from([None, 0, 1]), st.sampled_from([None, "no space"]))


class Life(RuleBasedStateMachine):
    """A job, and what should be true of it by what has happened."""

    def __init__(self) -> None:
        super().__init__()
        self.job: DeployJob = job()
        self.phase, self.holder = "queued", None
        self.said: Result | None = None
        """How its agent said that it ended."""
        self.reason: Reason | None = None
        """Why the server ended it."""
        self.late: Result | None = None
        self.cancel: Reason | None = None

    def tell(self, event: Event) -> Verdict:
        decision = decide(self.job, event)
        body = self.job.wire()
        self.job = DeployJob.model_validate(body | {"status": body["status"] | dict(decision.patch)})
        return decision.verdict

    @rule(reason=st.sampled_from([Reason.CANCELLED, Reason.SUPERSEDED]))
    def somebody_asks_for_a_cancel(self, reason: Reason) -> None:
        if self.cancel is None and self.phase != "ended":
            body: dict[str, Any] = self.job.wire()
            spec = body["spec"] | {"cancel": {"by": "ops", "reason": reason.value}}
            self.job, self.cancel = DeployJob.model_validate(body | {"spec": spec}), reason

    @rule(instance=instances, implied=st.booleans())
    def an_agent_claims(self, instance: Instance, implied: bool) -> None:
        verdict = self.tell(Claimed(instance=instance, at=NOW, implied=implied))
        if self.phase == "queued" and self.cancel is not None and not implied:
            assert verdict is Verdict.JOB_FINISHED
            self.phase, self.reason = "ended", self.cancel
        elif self.phase == "queued":
            assert verdict is Verdict.APPLIED
            self.phase, self.holder = "running", instance
        elif self.phase == "running":
            assert verdict is (Verdict.UNCHANGED if instance == self.holder else Verdict.ALREADY_CLAIMED)
        else:
            assert verdict is (Verdict.UNCHANGED if implied else Verdict.JOB_FINISHED)

    @rule(instance=instances, result=results)
    def an_agent_reports(self, instance: Instance, result: Result) -> None:
        verdict = self.tell(result.event(instance))
        if self.phase == "queued" or (self.phase == "running" and instance == self.holder):
            assert verdict is Verdict.APPLIED
            self.phase, self.holder, self.said = "ended", instance, result
        elif self.phase == "running" or (self.holder is not None and instance != self.holder):
            assert verdict is Verdict.ALREADY_CLAIMED
        elif self.said is not None:
            assert verdict is (Verdict.UNCHANGED if result == self.said else Verdict.RESULT_CONFLICT)
        else:
            self.late = self.late or result
            assert verdict is (Verdict.LATE if result == self.late else Verdict.RESULT_CONFLICT)

    @rule(reason=st.sampled_from(sorted(FROM_QUEUED | FROM_RUNNING)))
    def the_server_ends_it(self, reason: Reason) -> None:
        message = "The trigger is suspended." if reason is Reason.REJECTED else None
        verdict = self.tell(Ended(reason=reason, at=NOW, message=message))
        allowed = {"queued": FROM_QUEUED, "running": FROM_RUNNING, "ended": set()}[self.phase]
        if reason in allowed:
            assert verdict is Verdict.APPLIED
            self.phase, self.reason = "ended", reason
        else:
            assert verdict is Verdict.UNCHANGED

    @invariant()
    def it_is_what_the_model_says(self) -> None:
        status = self.job.status
        shown = {"Queued": "queued", "Running": "running"}.get(status.phase.value, "ended")
        assert (shown, status.instance) == (self.phase, self.holder)
        if self.said is not None:
            assert (status.phase, status.exit_code, status.message) == (
                self.said.phase,
                self.said.exit_code,
                self.said.message,
            )
        if self.reason is not None:
            assert (status.phase, status.reason, status.exit_code) == (Phase.FAILED, self.reason, None)
        late = status.late_result
        assert (None if late is None else Result(late.exit_code, late.message)) == self.late


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
