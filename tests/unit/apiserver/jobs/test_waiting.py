"""What a job that has not begun waits for."""

from typing import Any

import pytest

from deplite_apiserver.jobs.waiting import Waiting, waiting_for
from tests.unit.apiserver.jobs.builders import job

GROUPED = {"concurrencyGroup": "prod"}


@pytest.mark.parametrize(
    ("spec", "status", "connected", "waiting"),
    [
        ({}, {}, False, Waiting.AGENT_OFFLINE),
        ({}, {}, True, Waiting.AGENT_CLAIM),
        (GROUPED, {}, True, Waiting.CONCURRENCY_GROUP),
        (GROUPED, {"turnAt": "2026-05-31T13:42:19Z"}, False, Waiting.AGENT_OFFLINE),
        (GROUPED, {"phase": "Running"}, True, None),
        ({}, {"phase": "Failed"}, False, None),
    ],
)
def test_table(spec: dict[str, Any], status: dict[str, Any], connected: bool, waiting: Waiting | None) -> None:
    assert waiting_for(job(spec=spec, **status), connected=connected) is waiting
