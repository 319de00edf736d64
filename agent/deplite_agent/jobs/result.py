"""How a job ended, as the server is told."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from deplite.protocol.phases import Reason

MAX_MESSAGE = 4000


@dataclass(frozen=True, kw_only=True)
class Result:
    """The end of a job. Secrets are masked in it before it is made."""

    status: Literal["success", "failed", "timeout", "rejected"]
    reason: str | None = None
    exit_code: int | None = None
    message: str | None = None
    output: dict[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """Return the body of `POST /agent/jobs/:id/result`."""
        said = {
            "status": self.status,
            "reason": self.reason,
            "exitCode": self.exit_code,
            "errorMessage": self.message[:MAX_MESSAGE] if self.message else None,
            "output": self.output,
        }
        return {key: value for key, value in said.items() if value is not None}

    def record(self) -> dict[str, Any]:
        """Return the form in which the journal keeps it."""
        return asdict(self)


def rejected(message: str) -> Result:
    """Return the end of a job that this machine refuses; no step has started."""
    return Result(status="rejected", reason=message[:1000], message=message)


def crashed(message: str) -> Result:
    """Return the end of a job whose agent ended before it."""
    return Result(status="failed", reason=Reason.AGENT_CRASHED.value, message=message)


def stopped(reason: Reason) -> Result:
    """Return the end of a job that was stopped from outside."""
    words = {
        Reason.SUPERSEDED: "Stopped: a newer run took its place.",
        Reason.TIMEOUT: "Stopped: its time was over.",
        Reason.AGENT_REVOKED: "Stopped: the agent was revoked or deleted at the server.",
    }
    status: Literal["failed", "timeout"] = "timeout" if reason is Reason.TIMEOUT else "failed"
    return Result(status=status, reason=reason.value, message=words.get(reason, "Cancelled."))
