"""The OpenAPI document: the framework's own, with what it cannot know put in and what it only guesses taken out."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from deplite import __version__
from deplite.errors import DepliteError
from deplite_apiserver.auth.roles import kinds_of
from deplite_apiserver.edge.body import ReadBody
from deplite_apiserver.reference.callers import SCHEMES, said_of, security_of
from deplite_apiserver.reference.examples import ANSWERS, EXAMPLES
from deplite_apiserver.reference.parameters import complete
from deplite_apiserver.reference.refusals import ErrorShape, refusals_of

Json = dict[str, Any]
_REF = "#/components/schemas/{model}"
_EVENTS = {"schema": {"type": "string"}}
_STREAMS = {("GET", "/agent/stream"), ("GET", "/jobs/{job_id}/logs")}

_INTRODUCTION = """\
Start deploys from anywhere and run them on machines that accept no inbound connection.

Every route answers under three prefixes: bare, `/api` and `/v1`; an agent signs the bare path. Bodies are JSON \
whatever their content type says; an empty one is `{}`. Members that a route does not know are refused.

Every error has the shape `{statusCode, code, message, retryAfter?}`. Beside those that a route lists, any of them may \
answer 400 `bad_request` and 431 `headers_too_large` to a malformed head, 405 `method_not_allowed` with `Allow`, and \
500 `internal_error`. Every answer has an `X-Request-Id`."""


class ReferenceError(DepliteError):
    """Two models of one name differ, so the document could not tell them apart."""


def document(routes: Sequence[APIRoute]) -> Json:
    """Return the OpenAPI document of routes.

    Raises:
        ReferenceError: two models share a name.
    """
    made: Json = get_openapi(title="Deplite", version=__version__, description=_INTRODUCTION, routes=routes)
    schemas: Json = {
        name: _plain(schema)
        for name, schema in made["components"]["schemas"].items()
        if name not in ("HTTPValidationError", "ValidationError")  # the framework's own shapes, never sent
    }
    made["components"] = {"schemas": schemas, "securitySchemes": SCHEMES}
    _add(schemas, ErrorShape)
    for route in routes:
        for method in sorted(route.methods or ()):
            operation = made["paths"][route.path][method.lower()]
            made["paths"][route.path][method.lower()] = _operation(schemas, route, method, operation)
    return made


def body_of(route: APIRoute) -> ReadBody[Any] | None:
    """Return what a route reads its body with; None: it takes no body."""
    return next((call for call in _calls(route.dependant) if isinstance(call, ReadBody)), None)


def _operation(schemas: Json, route: APIRoute, method: str, made: Json) -> Json:
    kinds, body = kinds_of(method, route.path), body_of(route)
    title, _, more = made["description"].partition("\n")
    operation: Json = {
        "tags": made["tags"],
        "summary": title.rstrip("."),
        "description": "\n\n".join(part for part in (more.strip(), f"Callers: {said_of(kinds)}.") if part),
        "operationId": route.name,
        "security": security_of(kinds),
    }
    if parameters := complete(method, route.path, made.get("parameters", []), kinds):
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = _request(schemas, body)
    operation["responses"] = _answers(route, method, made["responses"]) | _refusals(method, route, body)
    return operation


def _request(schemas: Json, body: ReadBody[Any]) -> Json:
    model = body.model
    _add(schemas, model)
    content = {"schema": {"$ref": _REF.format(model=model.__name__)}, "example": EXAMPLES[model.__name__]}
    required = any(field.is_required() for field in model.model_fields.values())
    return {"required": required, "content": {body.media: content}}


def _answers(route: APIRoute, method: str, made: Json) -> Json:
    answers: Json = {}
    for status, said in made.items():
        if status == "422":
            continue
        answer: Json = {"description": said["description"].replace("Successful Response", "Done.")}
        content = {kind: _content(found["schema"]) for kind, found in said.get("content", {}).items()}
        if status == "200" and (method, route.path) in _STREAMS:
            content["text/event-stream"] = _EVENTS
        if (method, route.path, status) in ANSWERS:
            content["application/json"]["example"] = ANSWERS[method, route.path, status]
        if content:
            answer["content"] = content
        answers[status] = answer
    return answers


def _content(schema: Json) -> Json:
    content: Json = {"schema": _plain(schema)}
    if choices := schema.get("anyOf"):
        names = [_named(choice) for choice in choices]
        return content | {"examples": {name: {"value": EXAMPLES[name]} for name in names}}
    if "items" in schema:
        return content | {"example": [EXAMPLES[_named(schema["items"])]]}
    return content | ({"example": EXAMPLES[_named(schema)]} if "$ref" in schema else {})


def _named(schema: Json) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[-1]


def _refusals(method: str, route: APIRoute, body: ReadBody[Any] | None) -> Json:
    found: Json = {}
    for refusal in refusals_of(method, route, has_body=body is not None):
        content = {"schema": {"$ref": _REF.format(model="ErrorShape")}, "example": refusal.example}
        found[str(refusal.status)] = {
            "description": ", ".join(f"`{code}`" for code in refusal.codes),
            "content": {"application/json": content},
        }
    return found


def _add(schemas: Json, model: type[BaseModel]) -> None:
    made = model.model_json_schema(ref_template=_REF)
    for name, schema in (made.pop("$defs", {}) | {model.__name__: made}).items():
        plain = _plain(schema)
        if schemas.setdefault(name, plain) != plain:
            raise ReferenceError(f"Two models of the API are called {name}.")


def _plain(schema: Any) -> Any:
    """Return a schema without titles, which repeat the names, and without `default: null`, which means absent."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(value) for name, value in schema.items() if name not in ("title", "default", "properties")}
    if schema.get("default") is not None:
        plain["default"] = schema["default"]
    if "properties" in schema:
        plain["properties"] = {name: _plain(value) for name, value in schema["properties"].items()}
    return plain


def _calls(dependant: Dependant) -> Iterator[Any]:
    for one in dependant.dependencies:
        yield one.call
        yield from _calls(one)


def routes_of(routers: Iterable[Any]) -> list[APIRoute]:
    """Return the routes of routers, in their order."""
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
