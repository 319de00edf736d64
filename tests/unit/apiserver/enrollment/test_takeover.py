"""Who is the agent of a pool's node: the newest pod, and never again one that was replaced."""

from typing import Any

from deplite.resources import Agent
from deplite_apiserver.enrollment.takeover import KEPT, Claim, Replaced, Takeover, is_of, is_of_former, take_over
from tests.unit.apiserver.enrollment.pools import NODE, pod, pool, pool_agent
from tests.unit.apiserver.jobs.builders import agent

AT = "2026-05-31T13:42:18Z"


def claim(uid: str = "p1", key: str = "key of p1", **said: Any) -> Claim:
    facts = {"server_key_id": "k1", "os": "linux", "agent_version": "1"} | said
    return Claim(pod=pod(uid), public_key=key, **facts)


def after(before: Agent, *claims: Claim) -> Agent:
    """Return the agent after pods have enrolled one after the other, as the API server would hold it."""
    found = before
    for one in claims:
        body = found.wire()
        status = body.get("status", {}) | dict(take_over(found, one, AT).patch)
        found = Agent.model_validate(
            body | {"status": {key: value for key, value in status.items() if value is not None}}
        )
    return found


def test_the_first_pod_is_the_agent() -> None:
    decision = take_over(pool_agent(), claim(), AT)
    assert isinstance(decision, Takeover)
    assert decision.replaces is None
    status = after(pool_agent(), claim()).status
    assert (status.public_key, status.server_key_id, status.hostname) == ("key of p1", "k1", NODE)
    assert status.pod == pod()
    assert status.enrolled_at is not None
    assert status.replaced_pods == ()


def test_the_same_pod_again_changes_nothing() -> None:
    assert take_over(after(pool_agent(), claim()), claim(), AT) == Takeover(patch={})


def test_the_same_pod_with_another_key_replaces_nobody() -> None:
    found = after(pool_agent(workflowsTimestamp=7), claim(), claim(key="new"))
    assert (found.status.public_key, found.status.replaced_pods) == ("new", ())
    assert found.status.pod == pod()


def test_a_new_key_of_the_server_is_noted() -> None:
    found = after(pool_agent(), claim(), claim(server_key_id="k2"))
    assert found.status.server_key_id == "k2"


def test_another_pod_takes_over_and_keeps_what_all_of_the_pool_offer() -> None:
    before = after(pool_agent(), claim())
    body = before.wire()
    body["status"] |= {"workflows": [{"name": "x"}], "workflowsTimestamp": 9, "identityTimestamp": 9}
    decision = take_over(Agent.model_validate(body), claim("p2", "key of p2"), AT)
    assert isinstance(decision, Takeover)
    assert decision.replaces == "p1"
    found = after(Agent.model_validate(body), claim("p2", "key of p2"))
    assert found.status.pod == pod("p2")
    assert found.status.replaced_pods == ("p1",)
    assert [one["name"] for one in found.status.workflows] == ["x"]
    assert (found.status.workflows_timestamp, found.status.identity_timestamp) == (None, None)


def test_a_pod_that_was_replaced_never_comes_back() -> None:
    found = after(pool_agent(), claim(), claim("p2"))
    for key in ("key of p1", "another"):
        assert take_over(found, claim(key=key), AT) == Replaced(patch={})
    assert after(found, claim()).status == found.status


def test_restarts_leave_a_bounded_memory() -> None:
    found = after(pool_agent(), *(claim(f"p{number}", f"key {number}") for number in range(40)))
    assert found.status.replaced_pods == tuple(f"p{number}" for number in range(40 - 1 - KEPT, 39))
    assert found.status.pod == pod("p39")


def test_one_that_goes_on_trying_is_never_forgotten() -> None:
    found = after(pool_agent(), claim("copy"))
    for number in range(100):
        found = after(found, claim(f"p{number}", f"key {number}"))
        decision = take_over(found, claim("copy"), AT)
        assert isinstance(decision, Replaced)
        found = after(found, claim("copy"))
        assert found.status.pod == pod(f"p{number}")
    assert len(found.status.replaced_pods) == KEPT
    assert len(set(found.status.replaced_pods)) == KEPT


def test_whose_an_agent_is() -> None:
    mine, former, other = pool(), pool(uid="former"), pool(name="api", uid="other")
    assert (is_of(pool_agent(mine), mine), is_of_former(pool_agent(mine), mine)) == (True, False)
    assert (is_of(pool_agent(former), mine), is_of_former(pool_agent(former), mine)) == (False, True)
    assert (is_of(pool_agent(other), mine), is_of_former(pool_agent(other), mine)) == (False, False)
    assert (is_of(agent(), mine), is_of_former(agent(), mine)) == (False, False)
