"""The words of a job's life: never reworded, and the same in the CRD."""

import pytest

from deplite.protocol.phases import Phase, Reason, ResultStatus
from tests.unit.resources.schemas import definitions, schema_of

WIRE = {"Queued": "queued", "Running": "running", "Succeeded": "success", "Failed": "failed"}


def test_phases() -> None:
    assert {phase.value: phase.wire for phase in Phase} == WIRE


@pytest.mark.parametrize("phase", Phase)
def test_the_documented_polling_loop_ends_exactly_on_finished_phases(phase: Phase) -> None:
    assert phase.finished is (phase.wire in ("success", "failed"))


def test_reasons() -> None:
    assert [reason.value for reason in Reason] == [
        "exit_code",
        "timeout",
        "rejected",
        "cancelled",
        "superseded",
        "agent_lost",
        "agent_crashed",
        "agent_revoked",
        "expired",
    ]


def test_what_an_agent_may_report() -> None:
    assert {status.value for status in ResultStatus} == {"running", "success", "failed", "timeout", "rejected"}


def test_the_definition_has_the_same_words() -> None:
    status = schema_of(definitions()["DeployJob"])["properties"]["status"]["properties"]
    assert status["phase"]["enum"] == [phase.value for phase in Phase]
    assert status["reason"]["enum"] == [reason.value for reason in Reason]
