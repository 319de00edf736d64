"""Which limits a run counts against, and what is counted at a start."""

from datetime import datetime, timedelta
from typing import Any

from deplite.resources import ApiToken
from deplite.resources.identifiers import object_id
from deplite_apiserver.jobs.quota import LONGEST_WINDOW, run_quotas, seed, token_key, workflow_key
from deplite_apiserver.jobs.view import project
from tests.unit.apiserver.jobs.builders import NAMESPACE, NOW, agent, job_body, meta

TOKEN = ApiToken.model_validate(
    {
        "metadata": meta("ci"),
        "spec": {"grants": [{"type": "agent", "agents": ["web"]}], "rateLimit": {"perMinute": 3, "perDay": 9}},
    }
)
TOKEN_ID = object_id("tok", NAMESPACE, "ci")


def limited(**limit: int) -> Any:
    return agent(spec={"workflowRateLimits": [{"workflow": "deploy-prod"} | limit, {"workflow": "other", "perDay": 1}]})


def test_a_run_counts_for_its_token_and_its_workflow() -> None:
    found = [
        (one.key, one.scope, one.window, one.limit) for one in run_quotas(TOKEN, limited(perHour=5), "deploy-prod")
    ]
    assert found == [
        (token_key(TOKEN_ID), "token", "minute", 3),
        (token_key(TOKEN_ID), "token", "day", 9),
        (workflow_key(NAMESPACE, "web", "deploy-prod"), "workflow", "hour", 5),
    ]
    assert run_quotas(None, agent(), "deploy-prod") == ()
    assert run_quotas(None, None, "deploy-prod") == ()


def test_runs_of_the_last_day_are_counted_at_a_start() -> None:
    counted: list[tuple[str, datetime]] = []
    by_token = {"requestedBy": {"kind": "token", "id": TOKEN_ID}}
    jobs = [
        project(job_body(spec=by_token)),
        project(job_body(spec=by_token, phase="Failed", reason="timeout", finishedAt="2026-05-31T13:44:53Z")),
        project(job_body(spec={"requestedBy": {"kind": "user", "id": "x#olga"}})),
    ]
    seed(jobs, lambda key, at: counted.append((key, at)), NOW + LONGEST_WINDOW - timedelta(seconds=1))
    keys = [key for key, _ in counted]
    assert (keys.count(token_key(TOKEN_ID)), keys.count(workflow_key(NAMESPACE, "web", "deploy-prod"))) == (2, 3)
    assert {at for _, at in counted} == {NOW}
    counted.clear()
    seed(jobs, lambda key, at: counted.append((key, at)), NOW + LONGEST_WINDOW)
    assert counted == []
