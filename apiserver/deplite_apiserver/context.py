"""What the endpoints are given: made once in the lifespan of the app, frozen after."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from deplite.kube.client import KubeClient
from deplite_apiserver.audit.trail import Trail
from deplite_apiserver.auth.jwt import JwtVerifier
from deplite_apiserver.auth.nonces import Nonces
from deplite_apiserver.auth.podtoken import PodTokens
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.enrollment.notices import Notices
from deplite_apiserver.limits.flow import Flows
from deplite_apiserver.limits.limiter import Limiter
from deplite_apiserver.limits.room import Room
from deplite_apiserver.serverkeys import ServerKeys
from deplite_apiserver.settings import Settings
from deplite_apiserver.shared.state import Shared
from deplite_apiserver.storage.objects import ObjectStore
from deplite_apiserver.storage.presign import Presigner
from deplite_apiserver.tokens.usage import TokenUsage

if TYPE_CHECKING:
    from deplite_apiserver.jobs.desk import Desk
    from deplite_apiserver.slack.desk import Slack


@dataclass(frozen=True, kw_only=True)
class Context:
    """The collaborators of one replica."""

    settings: Settings
    kube: KubeClient
    caches: Caches
    clock: Clock
    shared: Shared
    """What all replicas have together."""
    nonces: Nonces
    """Those that agents have spent, of all replicas."""
    log_flows: Flows
    """Requests and bytes of log lines, of each agent."""
    jwt: JwtVerifier
    pod_tokens: PodTokens
    server_keys: ServerKeys
    usage: TokenUsage
    trail: Trail
    notices: Notices
    room: Room
    store: ObjectStore
    """The bucket of logs, archived jobs and files."""
    presigner: Presigner
    desk: "Desk"
    """Everything about jobs: accepting, dispatching, streams, presence, logs and the sweeper."""
    slack: "Slack"
    """Everything about Slack; where it is off, this refuses."""

    @property
    def limiter(self) -> Limiter:
        """The rate windows."""
        return self.shared.limiter


async def context_of(request: Request) -> Context:
    """Return the context of the app that serves the request; a plain function would run in a thread."""
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(context_of)]
