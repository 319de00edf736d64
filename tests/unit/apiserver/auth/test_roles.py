"""The table of who may call what: complete, and asked by every route."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from deplite_apiserver.app import ROUTERS, create_app
from deplite_apiserver.auth import dependencies
from deplite_apiserver.auth.roles import ACCESS, RouteTableError, check_routes, methods_of, needed_role
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.slack.signature import slack_request

DOORS: dict[Callable[..., Any], set[str]] = {
    dependencies.person: {"member", "owner"},
    dependencies.api_token: {"token"},
    dependencies.person_or_token: {"member", "owner", "token"},
    dependencies.agent: {"agent"},
    dependencies.enrolling: {"enrollment", "pod"},
    slack_request: {"slack"},
}


def routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def calls_of(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for one in dependant.dependencies:
        if one.call is not None:
            yield one.call
        yield from calls_of(one)


@contextlib.asynccontextmanager
async def nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def test_the_app_starts_only_with_a_complete_table() -> None:
    assert isinstance(create_app(nothing, 2.5, Metrics()), FastAPI)
    check_routes(routes())


def test_a_route_without_an_entry_never_serves() -> None:
    router = APIRouter()
    router.add_api_route("/secrets", lambda: None, methods=["GET"])
    with pytest.raises(RouteTableError, match="/secrets"):
        check_routes([*routes(), *router.routes])


def test_an_entry_without_a_route_never_serves() -> None:
    with pytest.raises(RouteTableError, match="/livez"):
        check_routes([route for route in routes() if route.path != "/livez"])


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{sorted(route.methods)[0]} {route.path}")
def test_every_route_goes_through_the_one_door_of_its_callers(route: APIRoute) -> None:
    doors = {call for call in calls_of(route.dependant) if call in DOORS}
    for method in route.methods:
        kinds = set(ACCESS[method, route.path])
        if kinds == {"public"}:
            assert doors == set()
        else:
            assert len(doors) == 1
            assert kinds <= DOORS[next(iter(doors))]


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{sorted(route.methods)[0]} {route.path}")
def test_a_persons_route_names_what_the_role_is_looked_up_by(route: APIRoute) -> None:
    if dependencies.person in set(calls_of(route.dependant)):
        assert any(name in route.path for name in ("{org_id}", "{trigger_id}", "{agent_id}"))
    else:
        assert not route.path.startswith(("/orgs", "/triggers/{trigger_id}/run-manual"))


@pytest.mark.parametrize(("entry", "kinds"), ACCESS.items(), ids=str)
def test_an_entry_is_of_one_sort(entry: tuple[str, str], kinds: frozenset[str]) -> None:
    assert kinds
    assert kinds in ({"public"}, {"agent"}, {"enrollment", "pod"}, {"slack"}) or kinds <= {"member", "owner", "token"}
    if kinds & {"member", "owner"}:
        assert needed_role(*entry) == ("member" if "member" in kinds else "owner")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/triggers/tr-x", ["DELETE", "GET", "PATCH"]),
        ("/orgs/org-x/triggers", ["GET", "POST"]),
        ("/agents", ["GET"]),
        ("/agent/enroll", ["POST"]),
        ("/nothing", []),
        ("/triggers/a/b", []),
        ("/livez/", []),
    ],
)
def test_the_methods_of_a_path(path: str, methods: list[str]) -> None:
    assert methods_of(path) == methods
