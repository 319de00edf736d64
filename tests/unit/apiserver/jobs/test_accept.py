"""Whether a run is accepted: the order of refusals is part of the API."""

from typing import Any

import pytest

from deplite.resources.apitoken import Grant
from deplite.resources.deployjob import KEYED_TTL_SECONDS, Requester
from deplite.resources.notify import Notify
from deplite_apiserver.edge.body import validated
from deplite_apiserver.errors import ApiError
from deplite_apiserver.jobs.accept import Facts, Naming, accept
from deplite_apiserver.jobs.request import RunRequest
from tests.unit.apiserver.jobs.builders import agent, trigger, workflow

GOOD = (Grant(type="trigger", triggers=("deploy",)),)
WRONG = (Grant(type="trigger", triggers=("other",)),)
SUSPENDED = {"suspended": True}
THERE = agent()


def decided(
    body: dict[str, Any],
    *,
    rules: dict[str, Any] | None = None,
    there: Any = THERE,
    grants: Any = GOOD,
    manual: bool = False,
    key: bool = False,
) -> Any:
    facts = Facts(
        trigger=trigger(**(rules or {})),
        agent=there,
        requester=Requester(kind="token", id="tok-x", name="ci"),
        grants=grants,
        manual=manual,
    )
    naming = Naming(job_id="j-x", fingerprint="a" * 64 if key else None)
    return accept(facts, validated(RunRequest, body), naming)


def code(*args: Any, **kwargs: Any) -> str | None:
    try:
        decided(*args, **kwargs)
    except ApiError as error:
        return error.code
    return None


def test_each_refusal_hides_those_after_it() -> None:
    """What is wrong is repaired one by one, and the next complaint comes."""
    body: dict[str, Any] = {"ref": "-rf", "workflowName": "other", "params": []}
    rules: dict[str, Any] = {"suspended": True, "type": "manual", "allowedRefs": ["main"]}
    wrong: dict[str, Any] = {"there": agent(spec=SUSPENDED), "grants": WRONG}
    found = []
    repairs: list[Any] = [
        lambda: wrong.update(grants=GOOD),
        lambda: rules.pop("suspended"),
        lambda: wrong.update(there=agent(spec={"revoked": True})),
        lambda: rules.pop("type"),
        lambda: body.update(ref="dev"),
        lambda: body.update(ref="main"),
        lambda: wrong.update(there=agent(workflows=[])),
        lambda: body.pop("workflowName"),
        lambda: wrong.update(there=agent()),
        lambda: body.pop("params"),
    ]
    for repair in repairs:
        found.append(code(body, rules=rules, **wrong))
        repair()
    assert found == [
        "token_scope",
        "trigger_suspended",
        "agent_suspended",
        "trigger_type",
        "invalid_ref",
        "ref_not_allowed",
        "agent_unavailable",
        "validation_error",
        "unknown_workflow",
        "validation_error",
    ]
    assert code(body, rules=rules, **wrong) is None


@pytest.mark.parametrize("kind", ["manual", "schedule"])
def test_people_run_triggers_of_any_type(kind: str) -> None:
    rules = {"type": kind} | ({"schedule": {"cron": "* * * * *"}} if kind == "schedule" else {})
    assert code({}, rules=rules) == "trigger_type"
    assert code({}, rules=rules, manual=True, grants=None) is None


def test_what_the_job_says() -> None:
    rules = {
        "params": {"a": 1, "b": 2},
        "timeouts": {"queueSeconds": 5, "jobSeconds": 6},
        "ttlSecondsAfterFinished": 60,
    }
    spec = decided({"ref": "main", "debug": True, "params": {"b": 3}}, rules=rules).spec
    assert (spec.trigger, spec.agent, spec.workflow, spec.ref, spec.debug) == (
        "deploy",
        "web",
        "deploy-prod",
        "main",
        True,
    )
    assert spec.params == {"a": 1, "b": 3}
    assert (spec.queue_seconds, spec.job_seconds, spec.ttl_seconds_after_finished) == (5, 6, 60)
    keyed = decided({}, rules=rules, key=True).spec
    assert (keyed.fingerprint, keyed.ttl_seconds_after_finished) == ("a" * 64, KEYED_TTL_SECONDS)


def test_defaults_of_the_trigger_count_against_the_bounds_as_well() -> None:
    assert code({"params": {"b": "x" * 4096}}, rules={"params": {"a": "x" * 4096}}) == "validation_error"


def test_a_trigger_over_an_agent_takes_the_workflow_from_the_request() -> None:
    rules = {"scope": "agent", "workflow": None}
    there = agent(workflows=[workflow(), workflow("other")])
    assert decided({"workflowName": "other"}, rules=rules, there=there).spec.workflow == "other"
    assert code({}, rules=rules, there=there) == "validation_error"
    assert code({"workflowName": "absent"}, rules=rules, there=there) == "unknown_workflow"


def test_where_people_are_told_is_what_the_trigger_says_or_where_it_was_asked() -> None:
    told = {"slack": {"channel": "#deploys", "when": "failure"}}
    assert decided({}, rules={"notify": told}).spec.notify.wire() == told
    here = Notify.model_validate({"slack": {"channel": "C1", "teamId": "T1"}})
    facts = Facts(
        trigger=trigger(notify=told),
        agent=THERE,
        requester=Requester(kind="slack"),
        grants=None,
        manual=True,
        notify=here,
    )
    assert accept(facts, RunRequest(), Naming(job_id="j-x", fingerprint=None)).spec.notify == here
