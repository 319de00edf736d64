import sys
from dataclasses import fields
from typing import Any

from deplite_apiserver.jobs.view import INDEXES, FinishedJob, LiveJob, project
from tests.unit.apiserver.jobs.builders import NAMESPACE, UID, job, job_body

SHARED = {"namespace", "agent", "trigger", "workflow", "ref", "phase", "reason", "token", "slack_user", "notice"}


def finished(**status: Any) -> FinishedJob:
    body = job_body(phase="Succeeded", startedAt="2026-05-31T13:42:19Z", finishedAt="2026-05-31T13:44:53Z", **status)
    view = project(body)
    assert isinstance(view, FinishedJob)
    return view


def test_a_finished_job_takes_under_300_bytes_beside_the_strings_that_repeat() -> None:
    view = finished(exitCode=0, output={"url": "x" * 10_000})
    own = sum(sys.getsizeof(getattr(view, field.name)) for field in fields(view) if field.name not in SHARED)
    assert sys.getsizeof(view) + own <= 300


def test_strings_that_repeat_are_shared() -> None:
    one, other = finished(), finished()
    assert one.namespace is other.namespace
    assert one.workflow is other.workflow
    assert one.ref is other.ref


def test_a_finished_job_keeps_what_lists_show() -> None:
    view, whole = finished(exitCode=3), job()
    assert (view.uid8, view.storage_key) == (UID[:8], whole.storage_key)
    assert view.created_at == whole.metadata.creation_timestamp
    assert view.started_at is not None
    assert (view.finished_at - view.started_at).total_seconds() == 154
    assert (view.exit_code, view.ttl_seconds, view.finished) == (3, 172_800, True)


def test_a_job_that_never_started_has_no_start() -> None:
    view = project(job_body(phase="Failed", reason="expired", finishedAt="2026-05-31T13:44:53Z"))
    assert isinstance(view, FinishedJob)
    assert view.started_at is None


def test_an_unfinished_job_is_kept_whole() -> None:
    view = project(job_body(spec={"params": {"a": 1, "b": True, "c": 1.5, "d": "x"}}))
    assert isinstance(view, LiveJob)
    assert view.params == {"a": 1, "b": True, "c": 1.5, "d": "x"}
    assert (view.queued, view.finished, view.storage_key) == (True, False, job().storage_key)


def test_what_the_schema_cannot_refuse_does_not_break_reading() -> None:
    view = project(job_body(spec={"params": {"nested": {"a": [None]}}}))
    assert isinstance(view, LiveJob)
    assert view.params == {"nested": '{"a": [null]}'}


def test_who_asked_in_slack_is_found_again() -> None:
    asked = {"requestedBy": {"kind": "slack", "id": "T1/U1", "name": "mika"}}
    for view in (
        project(job_body(spec=asked)),
        project(job_body(spec=asked, phase="Succeeded", finishedAt="2026-05-31T13:44:53Z")),
    ):
        assert INDEXES["slack"](view) == (NAMESPACE, "T1/U1")
        assert view.token is None
    assert INDEXES["slack"](project(job_body())) is None


def test_only_unfinished_jobs_are_in_the_indexes_of_work() -> None:
    done, queued = finished(), project(job_body())
    assert INDEXES["unfinished"](done) is None
    assert INDEXES["agent"](done) is None
    assert INDEXES["agent"](queued) == (NAMESPACE, "web")
    assert INDEXES["trigger"](done) == (NAMESPACE, "deploy")
    assert INDEXES["id"](done) == done.name


SLACK = {"notify": {"slack": {"channel": "C024BE91L"}}}
FAILURES = {"notify": {"slack": {"channel": "C024BE91L", "when": "failure"}}}
SHOWN = {"teamId": "T1", "channel": "C024BE91L", "ts": "1.2", "phase": "Succeeded"}
END = {"finishedAt": "2026-05-31T13:44:53Z"}


def owes(spec: dict[str, Any], **status: Any) -> bool:
    view = project(job_body(spec=spec, **status))
    assert (INDEXES["notice"](view) is True) == (view.notice is not None)
    return view.notice is not None


def test_a_job_of_before_there_was_slack_owes_no_card() -> None:
    assert not owes({})
    assert not owes({}, phase="Succeeded", **END)


def test_a_card_is_owed_until_it_shows_the_end() -> None:
    assert owes(SLACK)
    assert owes(SLACK, phase="Running", slackMessage=SHOWN | {"phase": "Running"})
    assert owes(SLACK, phase="Succeeded", **END)
    assert owes(SLACK, phase="Succeeded", slackMessage=SHOWN | {"phase": "Running"}, **END)
    assert not owes(SLACK, phase="Succeeded", slackMessage=SHOWN, **END)


def test_where_only_failures_are_told_nothing_else_owes_a_card() -> None:
    assert not owes(FAILURES)
    assert not owes(FAILURES, phase="Running")
    assert not owes(FAILURES, phase="Succeeded", **END)
    assert owes(FAILURES, phase="Failed", reason="exit_code", **END)
    assert owes(FAILURES, phase="Failed", reason="agent_lost", **END)
    assert not owes(FAILURES, phase="Failed", reason="cancelled", **END)
    assert not owes(FAILURES, phase="Failed", reason="superseded", **END)


def test_places_of_cards_are_shared() -> None:
    one, other = (project(job_body(spec=SLACK, phase="Succeeded", **END)) for _ in range(2))
    assert one.notice is other.notice
