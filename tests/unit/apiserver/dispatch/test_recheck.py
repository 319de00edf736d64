"""Whether a job may be sent: jobs are also made with kubectl."""

from typing import Any

import pytest

from deplite_apiserver.dispatch.recheck import NotSendableError, sendable_params
from tests.unit.apiserver.jobs.builders import agent, live, trigger, workflow

SCHEMA = [{"name": "replicas", "type": "number", "default": 2, "min": 1, "max": 20}]


def test_a_good_job_is_sent_with_its_params_checked_and_coerced() -> None:
    job = live(spec={"params": {"replicas": "3"}})
    there = agent(workflows=[workflow(params=SCHEMA)])
    assert sendable_params(job, there, trigger(allowedRefs=["main"])) == {"replicas": 3}
    assert sendable_params(live(), there, trigger()) == {"replicas": 2}


def test_a_workflow_without_a_schema_gets_what_was_asked() -> None:
    assert sendable_params(live(spec={"params": {"a": 1}}), agent(), trigger()) == {"a": 1}


def test_a_job_outlives_its_trigger_and_may_have_none() -> None:
    assert sendable_params(live(), agent(), None) == {}
    assert sendable_params(live(spec={"trigger": None}), agent(), None) == {}


@pytest.mark.parametrize(
    ("job", "there", "rules", "said"),
    [
        ({"ref": "-rf"}, {}, {}, "not a valid git ref"),
        ({"ref": "a..b"}, {}, {}, "not a valid git ref"),
        ({"ref": "dev"}, {}, {"allowedRefs": ["main"]}, "allowedRefs"),
        ({"ref": None}, {}, {"allowedRefs": ["main"]}, "allowedRefs"),
        ({}, {}, {"suspended": True}, "trigger is suspended"),
        ({}, {"spec": {"suspended": True}}, {}, "agent is suspended"),
        ({}, {}, {"agent": "other"}, "another agent"),
        ({}, {}, {"workflow": "other"}, "another workflow"),
        ({"workflow": "other"}, {}, {"scope": "agent"}, "has not reported a workflow named other"),
        ({}, {"workflows": []}, {}, "has not reported"),
        ({"params": {"a=b": 1}}, {}, {}, "params has the name"),
        ({"params": {"a": "x" * 4097}}, {}, {}, r"params\.a may have at most"),
        ({"params": {"nope": 1}}, {"workflows": [workflow(params=SCHEMA)]}, {}, r"params\.nope"),
        ({"params": {"replicas": 21}}, {"workflows": [workflow(params=SCHEMA)]}, {}, r"params\.replicas"),
    ],
)
def test_what_must_not_be_sent_says_why(
    job: dict[str, Any], there: dict[str, Any], rules: dict[str, Any], said: str
) -> None:
    with pytest.raises(NotSendableError, match=said):
        sendable_params(live(spec=job), agent(**there), trigger(**rules))
