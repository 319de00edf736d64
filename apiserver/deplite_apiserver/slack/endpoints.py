"""/orgs/:orgId/slack and /slack/oauth/callback: connecting workspaces, and what is connected."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from deplite.kube.errors import KubeError
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.audit.entry import Audited
from deplite_apiserver.auth.dependencies import Person
from deplite_apiserver.context import Context, Ctx
from deplite_apiserver.edge.failures import answer_to
from deplite_apiserver.errors import ApiError, NotFoundError
from deplite_apiserver.ownership import Force, refuse_managed_in_git
from deplite_apiserver.slack import oauth
from deplite_apiserver.slack.callbackpage import HEADERS, connected_page, refused_page
from deplite_apiserver.slack.schemas import InstallationShape, InstalledShape, InstallUrlShape, shape_of

router = APIRouter(tags=["Slack"])

_Said = Annotated[str | None, Query(max_length=4096)]
_PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


@router.get("/orgs/{org_id}/slack/install-url")
async def show_install_url(org_id: str, context: Ctx, caller: Person) -> InstallUrlShape:
    """Make a link at which the app is installed into a workspace; good for ten minutes, once, and for the caller."""
    url, ends = await oauth.begin(context, org_id, caller)
    return InstallUrlShape(url=url, expires_at=ends)


@router.get(oauth.CALLBACK_PATH, response_model=InstalledShape, responses=_PAGE)
async def finish_install(
    request: Request,
    context: Ctx,
    audited: Audited,
    state: _Said = None,
    code: _Said = None,
    error: _Said = None,
) -> Response:
    """Take what Slack sends a person's browser back with, and connect the workspace.

    Browsers (`Accept: text/html`) get every answer as a page.
    """
    paged = "text/html" in request.headers.get("accept", "")
    try:
        made = await oauth.finish(context, audited, state=state, code=code, error=error)
    except (ApiError, KubeError) as problem:
        if not paged:
            raise
        return _page_of(answer_to(request, problem))
    audited.made(made.spec.team_id)
    if paged:
        return connected_page(made.spec.team_name or made.spec.team_id)
    shape = InstalledShape(organization_id=made.namespace, team_id=made.spec.team_id, team_name=made.spec.team_name)
    return JSONResponse(shape.model_dump(mode="json"), headers=HEADERS)


def _page_of(answer: JSONResponse) -> HTMLResponse:
    said = json.loads(bytes(answer.body))
    return refused_page(answer.status_code, said["message"], retry_after=said.get("retryAfter"))


@router.get("/orgs/{org_id}/slack/installations", response_model_exclude_unset=True)
async def list_installations(org_id: str, context: Ctx, caller: Person) -> list[InstallationShape]:
    """List the Slack workspaces of an organization, the oldest first."""
    installations = context.slack.installations
    return [shape_of(one, installations) for one in installations.of(org_id)]


@router.delete("/orgs/{org_id}/slack/installations/{team_id}", status_code=204)
async def disconnect_workspace(org_id: str, team_id: str, context: Ctx, caller: Person, force: Force = False) -> None:
    """Disconnect a Slack workspace: the app is taken out of it, and its bot token and links are deleted.

    While Slack is away, they are deleted all the same; then take the app out at Slack.
    """
    installation = await _installation(context, org_id, team_id)
    refuse_managed_in_git(installation, force=force)
    await context.slack.connections.disconnect(installation)


async def _installation(context: Context, organization: str, team_id: str) -> SlackInstallation:
    installations = context.slack.installations
    found = await context.caches.find(context.caches.slack, lambda: installations.named(organization, team_id))
    if found is None:
        raise NotFoundError
    return found
