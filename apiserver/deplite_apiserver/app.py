"""The only list of routers, and the order of the layers around them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from deplite import __version__
from deplite_apiserver.agents.endpoints import router as agents
from deplite_apiserver.audit.acts import check_acts
from deplite_apiserver.audit.middleware import AuditMiddleware
from deplite_apiserver.auth.roles import check_routes
from deplite_apiserver.edge.failures import install_failures
from deplite_apiserver.edge.limits import HeadMiddleware
from deplite_apiserver.edge.patience import PatienceMiddleware
from deplite_apiserver.edge.prefixes import PrefixMiddleware
from deplite_apiserver.edge.query import query_names
from deplite_apiserver.edge.requestid import RequestIdMiddleware
from deplite_apiserver.edge.turnstile import TurnstileMiddleware
from deplite_apiserver.enrollment.endpoints import router as enrollment
from deplite_apiserver.files.agentendpoints import router as files_of_agents
from deplite_apiserver.files.endpoints import router as files
from deplite_apiserver.files.tokenendpoints import router as files_of_tokens
from deplite_apiserver.health.endpoints import router as health
from deplite_apiserver.jobs.endpoints import router as jobs
from deplite_apiserver.logs.endpoints import router as logs
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.metrics.middleware import MetricsMiddleware
from deplite_apiserver.reference.document import Json, document, routes_of
from deplite_apiserver.reference.endpoints import router as reference_routes
from deplite_apiserver.reference.page import page
from deplite_apiserver.slack.commands import router as slack_commands
from deplite_apiserver.slack.endpoints import router as slack
from deplite_apiserver.slack.events import router as slack_events
from deplite_apiserver.slack.linkendpoints import router as slack_links
from deplite_apiserver.stream.endpoints import router as stream
from deplite_apiserver.tokens.endpoints import router as tokens
from deplite_apiserver.triggers.endpoints import router as triggers
from deplite_apiserver.workflows.endpoints import router as workflows

# `/orgs/{org_id}/agents/enroll-tokens` and `/agents/{agent_id}/workflows` never compete: each path has one template.
ROUTERS = (
    health,
    triggers,
    jobs,
    logs,
    files,
    files_of_tokens,
    files_of_agents,
    tokens,
    enrollment,
    agents,
    workflows,
    stream,
    slack,
    slack_links,
    slack_commands,
    slack_events,
    reference_routes,
)


def create_app(
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]], patience_seconds: float, metrics: Metrics
) -> FastAPI:
    """Return the app; its lifespan puts a `Context` into `app.state.context`.

    Args:
        lifespan: what is there while it serves.
        patience_seconds: how long a request waits for each thing that it needs.
        metrics: counts requests.

    Raises:
        RouteTableError: a route has no entry in the table of who may call it, or in that of the audit record.
    """
    app = FastAPI(
        title="Deplite",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    check_routes(route for router in ROUTERS for route in router.routes)
    check_acts()
    app.state.reference = reference()
    app.state.query_names = query_names(app.state.reference)
    app.state.reference_page = page(app.state.reference)
    install_failures(app)
    # The last one added is the outermost.
    app.add_middleware(AuditMiddleware)
    app.add_middleware(PatienceMiddleware, seconds=patience_seconds)
    app.add_middleware(PrefixMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(TurnstileMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    return app


def reference() -> Json:
    """Return the OpenAPI document of all routes; only their canonical paths are in it."""
    return document(routes_of(ROUTERS))
