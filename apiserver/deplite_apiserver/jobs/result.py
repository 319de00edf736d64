"""What an agent reports of a job: the body of `POST /agent/jobs/:id/result`, and the end that follows from it. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, StrictInt, StrictStr

from deplite.protocol.canonical import MAX_SAFE_INTEGER
from deplite.protocol.phases import Phase, Reason, ResultStatus
from deplite.protocol.request import FINISHED_AGO_HEADER
from deplite.resources.deployjob import DeployJobStatus, Rejection
from deplite_apiserver.edge.body import Closed
from deplite_apiserver.errors import ValidationFailedError
from deplite_apiserver.jobs.transition import Claimed, Reported

MAX_OUTPUT_BYTES = 16 * 1024
MAX_MESSAGE_CHARACTERS = 4096
MAX_REASON_CHARACTERS = 1024
MAX_LIMIT_TYPE_CHARACTERS = 64
MAX_OUTPUT_DEPTH = 30
"""Levels inside `output`; with the body around it, 32."""

_OWN_REASONS = frozenset(
    {Reason.EXIT_CODE, Reason.TIMEOUT, Reason.CANCELLED, Reason.SUPERSEDED, Reason.REJECTED}
    | {Reason.AGENT_CRASHED, Reason.AGENT_REVOKED}
)
"""What an agent may say of itself; the others are the server's to find. A pod that enrolled again says that its
Agent had been deleted."""

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
ShortText = Annotated[StrictStr, Field(max_length=64)]


class ResultReport(Closed):
    """The body. `reason` is one of ours or, for `rejected`, the agent's own words."""

    status: ResultStatus
    exit_code: Annotated[StrictInt, Field(ge=0, le=255)] | None = None
    error_message: StrictStr | None = None
    output: dict[str, Any] | None = None
    reason: StrictStr | None = None
    limit_type: StrictStr | None = None
    retry_after_seconds: Annotated[StrictInt, Field(ge=0, le=2**53 - 1)] | None = None
    bypassed_limits: Annotated[list[ShortText], Field(max_length=16)] | None = None


def ended_ago(header: str | None) -> timedelta:
    """Return what the header says of how long ago a job ended.

    Raises:
        ValidationFailedError: it is no number of seconds.
    """
    if header is None:
        return timedelta()
    if not _SECONDS.fullmatch(header):
        raise ValidationFailedError(f"{FINISHED_AGO_HEADER} must be a number of seconds, e.g. 12.5.")
    return timedelta(seconds=float(header))


def event_of(
    report: ResultReport, *, instance: str | None, at: datetime, ago: timedelta = timedelta(), pod: str | None = None
) -> Claimed | Reported:
    """Return what a report means for its job.

    Args:
        report: the body.
        instance: the agent's process.
        at: when the report came.
        ago: how long before that the job had ended.
        pod: the uid of the pod that the agent is in, where it is one of a pool.

    Raises:
        ValidationFailedError: the output is larger than 16 KiB, or nested too deeply.
    """
    if report.status is ResultStatus.RUNNING:
        return Claimed(instance=instance, at=at, pod=pod)
    succeeded = report.status is ResultStatus.SUCCESS
    end = DeployJobStatus(
        phase=Phase.SUCCEEDED if succeeded else Phase.FAILED,
        reason=None if succeeded else _reason(report),
        message=_short(report.error_message, MAX_MESSAGE_CHARACTERS),
        exit_code=report.exit_code,
        output=_output(report.output),
        rejection=_rejection(report) if report.status is ResultStatus.REJECTED else None,
    )
    unexplained = report.status is ResultStatus.FAILED and report.reason not in _OWN_REASONS
    status = report.status.value
    return Reported(instance=instance, status=status, end=end, at=at, pod=pod, ended_ago=ago, unexplained=unexplained)


def _reason(report: ResultReport) -> Reason:
    if report.status is ResultStatus.TIMEOUT:
        return Reason.TIMEOUT
    if report.status is ResultStatus.REJECTED:
        return Reason.REJECTED
    return Reason(report.reason) if report.reason in _OWN_REASONS else Reason.EXIT_CODE


def _rejection(report: ResultReport) -> Rejection:
    return Rejection(
        reason=_short(report.reason, MAX_REASON_CHARACTERS),
        limit_type=_short(report.limit_type, MAX_LIMIT_TYPE_CHARACTERS),
        retry_after_seconds=report.retry_after_seconds,
        bypassed_limits=tuple(dict.fromkeys(report.bypassed_limits or ())),
    )


def _short(text: str | None, most: int) -> str | None:
    return None if text is None else text.encode("utf-8", "replace").decode()[:most]


def _output(output: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if output is None:
        return None
    stored: dict[str, Any] = _storable(output, MAX_OUTPUT_DEPTH)
    if len(json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_OUTPUT_BYTES:
        raise ValidationFailedError(
            f"output may have at most {MAX_OUTPUT_BYTES} bytes; ship more in the log or as a file.",
            code="output_too_large",
        )
    return stored


def _storable(value: Any, depth: int) -> Any:
    """Return a value in the form in which it comes back from Kubernetes, so that an equal report is seen to be equal.

    A merge patch takes null for "remove", and whole numbers beyond what JSON parsers agree on lose digits.
    """
    if depth < 0:
        raise ValidationFailedError(f"output is nested deeper than {MAX_OUTPUT_DEPTH} levels.")
    match value:
        case Mapping():
            return {_text(key): _storable(item, depth - 1) for key, item in value.items() if item is not None}
        case list():
            return [_storable(item, depth - 1) for item in value]
        case str():
            return _text(value)
        case bool() | None:
            return value
        case int() if abs(value) > MAX_SAFE_INTEGER:
            return str(value)
        case float() if value.is_integer() and abs(value) > MAX_SAFE_INTEGER:
            return repr(value)
    return value


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
