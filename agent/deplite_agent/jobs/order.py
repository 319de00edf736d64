"""What the server asks for: the payload of a `deploy` event, after its signature was checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from deplite.protocol.params import ParamValue


@dataclass(frozen=True, kw_only=True)
class Order:
    """One job to run."""

    job_id: str
    job_uid: str = ""
    """Empty from a server that sends none: the id alone then names the job."""
    workflow: str
    ref: str | None = None
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    debug: bool = False
    trigger: str | None = None
    job_seconds: int | None = None
    """After so long from the claim on the server ends the job; None from a server that does not say."""

    @property
    def key(self) -> str:
        """The job's name on this machine: an id may come again for a new job, its uid never."""
        return f"{self.job_id}-{self.job_uid[:8]}" if self.job_uid else self.job_id

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self | None:
        """Return the order, or None where the payload is none."""
        match payload:
            case {"job_id": str(job_id), "workflow_name": str(workflow)} if _is_name(job_id):
                pass
            case _:
                return None
        uid, ref, trigger = (_text(payload.get(name)) for name in ("job_uid", "ref", "trigger"))
        if uid and not _is_name(uid):
            return None
        params = payload.get("params")
        seconds = payload.get("job_seconds")
        return cls(
            job_id=job_id,
            job_uid=uid or "",
            workflow=workflow,
            ref=ref,
            params=params if isinstance(params, dict) else {},
            debug=payload.get("debug") is True,
            trigger=trigger,
            job_seconds=seconds if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0 else None,
        )

    def record(self) -> dict[str, Any]:
        """Return the form in which the journal keeps it."""
        return asdict(self) | {"params": dict(self.params)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return what `record` made."""
        return cls(**record)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _is_name(text: str) -> bool:
    """Whether it may be part of a folder's name."""
    return 0 < len(text) <= 128 and text.replace("-", "").isalnum() and text.isascii()
