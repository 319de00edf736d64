"""The OpenAPI document: whole, derived from the table of callers, and with examples that its own models read."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from deplite_apiserver.app import ROUTERS, reference
from deplite_apiserver.auth.roles import ACCESS
from deplite_apiserver.edge.body import Closed, json_body
from deplite_apiserver.reference.document import ReferenceError, body_of, document, routes_of
from deplite_apiserver.reference.examples import EXAMPLES

DOCUMENT = reference()
OPERATIONS = {
    (method.upper(), path): said for path, methods in DOCUMENT["paths"].items() for method, said in methods.items()
}
ROUTES = routes_of(ROUTERS)
SCHEMES = {
    "member": "person",
    "owner": "person",
    "token": "apiToken",
    "agent": "agentSignature",
    "enrollment": "enrollmentCode",
    "pod": "podToken",
    "slack": "slackSignature",
}
COMPANIONS = {"agentId", "agentTimestamp", "agentNonce", "slackTimestamp"}
"""Schemes that are of no use without a signature."""


def models_of(route: APIRoute) -> dict[int, Any]:
    """Return the models of a route's answers by status."""
    declared = {} if route.response_model is None else {route.status_code or 200: route.response_model}
    return declared | {int(status): said["model"] for status, said in route.responses.items() if "model" in said}


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from refs(one)
    if isinstance(value, dict):
        if isinstance(ref := value.get("$ref"), str):
            yield ref.removeprefix("#/components/schemas/")
        for one in value.values():
            yield from refs(one)


def test_every_route_is_there_once_and_without_a_prefix() -> None:
    assert set(OPERATIONS) == set(ACCESS)
    assert DOCUMENT["openapi"].startswith("3.1")
    ids = [said["operationId"] for said in OPERATIONS.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("entry", "kinds"), ACCESS.items(), ids=str)
def test_security_is_what_the_table_says(entry: tuple[str, str], kinds: frozenset[str]) -> None:
    named = {name for requirement in OPERATIONS[entry]["security"] for name in requirement}
    assert named <= set(DOCUMENT["components"]["securitySchemes"])
    assert {SCHEMES[kind] for kind in kinds - {"public"}} == named - COMPANIONS
    statuses = set(OPERATIONS[entry]["responses"])
    assert ("401" in statuses) == (kinds != {"public"})
    assert kinds.isdisjoint({"member"}) or "403" not in statuses or "run" in entry[1]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_the_body_is_the_model_that_the_endpoint_reads(route: APIRoute) -> None:
    for method in route.methods:
        said = OPERATIONS[method, route.path]
        body = body_of(route)
        assert (body is not None) == ("requestBody" in said)
        if body is not None:
            content = said["requestBody"]["content"][body.media]
            assert content["schema"]["$ref"].endswith(f"/{body.model.__name__}")
            body.model.model_validate(content["example"])


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_examples_of_answers_are_answers(route: APIRoute) -> None:
    for method in route.methods:
        said = OPERATIONS[method, route.path]["responses"]
        for status, model in models_of(route).items():
            shown = said[str(status)]["content"]["application/json"]
            for example in (
                [shown["example"]] if "example" in shown else [one["value"] for one in shown["examples"].values()]
            ):
                TypeAdapter(model).validate_python(example)


def test_a_replica_that_is_not_ready_does_not_say_ok() -> None:
    answers = OPERATIONS["GET", "/readyz"]["responses"]
    shown = {status: answers[status]["content"]["application/json"]["example"]["status"] for status in answers}
    assert shown == {"200": "ok", "503": "starting"}


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert set(refs(DOCUMENT)) == set(schemas)
    assert "HTTPValidationError" not in schemas


def test_no_example_is_left_over_and_no_answer_without_one() -> None:
    used = {body.model.__name__ for route in ROUTES if (body := body_of(route))}
    for route in ROUTES:
        used |= {one.__name__ for model in models_of(route).values() for one in getattr(model, "__args__", (model,))}
    assert used == set(EXAMPLES)


def test_two_models_of_one_name_are_refused() -> None:
    class TriggerCreate(Closed):
        other: int

    router = APIRouter(tags=["Trigger"])
    original = next(route for route in ROUTES if route.name == "create_trigger")

    async def change_trigger(body: Annotated[TriggerCreate, Depends(json_body(TriggerCreate))]) -> None:
        """Change."""

    router.add_api_route("/triggers/{trigger_id}", change_trigger, methods=["PATCH"])
    with pytest.raises(ReferenceError, match="TriggerCreate"):
        document([original, *routes_of([router])])
