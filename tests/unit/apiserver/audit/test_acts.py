"""Every route that may change something is in the table of the audit record."""

import pytest

from deplite_apiserver.audit.acts import ACTS, check_acts
from deplite_apiserver.auth.roles import ACCESS, RouteTableError


def test_every_changing_route_has_an_entry_and_few_are_exempt() -> None:
    changing = {route for route in ACCESS if route[0] != "GET"} | {("GET", "/slack/oauth/callback")}
    assert changing == set(ACTS)
    exempt = {route for route, act in ACTS.items() if act is None}
    changing_nothing = {("POST", "/agent/heartbeat"), ("POST", "/agent/jobs/{job_id}/logs")}
    told_by_content = {("POST", "/slack/commands"), ("POST", "/slack/events")}
    assert exempt == changing_nothing | told_by_content
    check_acts()


def test_actions_name_a_kind_and_a_deed() -> None:
    for act in ACTS.values():
        if act is not None:
            assert [part.isidentifier() for part in act.action.split(".")] == [True, True]


def test_a_new_route_without_an_entry_never_serves() -> None:
    with pytest.raises(RouteTableError, match="/new"):
        check_acts([*ACCESS, ("POST", "/new")])
    with pytest.raises(RouteTableError, match="/agent/enroll"):
        check_acts([route for route in ACCESS if route[1] != "/agent/enroll"])
