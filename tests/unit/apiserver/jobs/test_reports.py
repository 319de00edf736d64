"""What an agent is told of its report: a 4xx is the last word, so only what is final is one."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from deplite.kube.errors import ConflictError
from deplite_apiserver.auth.callers import AgentCaller
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.jobs.lookup import Lookup
from deplite_apiserver.jobs.reports import Reports
from deplite_apiserver.jobs.result import ResultReport
from deplite_apiserver.jobs.transition import Transitions
from deplite_apiserver.jobs.view import project
from tests.unit.apiserver.jobs.builders import agent, job_body


class Busy:
    """Knows the job, which others write to again and again."""

    async def of_agent(self, *_: Any) -> Any:
        return project(job_body())

    async def apply(self, *_: Any, **__: Any) -> Any:
        raise ConflictError("somebody was faster five times")


@pytest.mark.parametrize("body", [{"status": "running"}, {"status": "success", "exitCode": 0}])
async def test_a_report_that_loses_against_other_writers_is_asked_for_again(body: dict[str, Any]) -> None:
    busy = Busy()
    reports = Reports(
        lookup=cast(Lookup, busy), transitions=cast(Transitions, busy), now=lambda: datetime(2026, 5, 31, tzinfo=UTC)
    )
    caller = AgentCaller(agent=agent(), instance="i1", timestamp=0, nonce="n")
    with pytest.raises(UnavailableError) as caught:
        await reports.result(caller, job_body()["metadata"]["name"], None, ResultReport.model_validate(body))
    assert caught.value.retry_after == 1
