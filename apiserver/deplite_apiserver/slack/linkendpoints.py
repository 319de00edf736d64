"""`POST /orgs/:orgId/slack/installations/:teamId/link-codes`: the code that ties a Slack user to a member."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends

from deplite_apiserver.audit.entry import Audited
from deplite_apiserver.auth.dependencies import Person
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import Shape, json_body
from deplite_apiserver.errors import NotFoundError
from deplite_apiserver.jobs.request import NothingAsked

router = APIRouter(tags=["Slack"])


class LinkCodeShape(Shape):
    """A code; it is shown once."""

    code: str
    command: str
    """What to type in Slack; the app's command may be called otherwise there."""
    expires_at: datetime


@router.post("/orgs/{org_id}/slack/installations/{team_id}/link-codes", status_code=201)
async def make_link_code(
    org_id: str,
    team_id: str,
    context: Ctx,
    caller: Person,
    audited: Audited,
    body: Annotated[NothingAsked, Depends(json_body(NothingAsked))],
) -> LinkCodeShape:
    """Make a code with which the caller says in Slack who they are: it is good once, for ten minutes.

    A second code makes the first one useless.
    """
    installations = context.slack.installations
    found = await context.caches.find(context.caches.slack, lambda: installations.the_one(org_id, team_id))
    if found is None:
        raise NotFoundError
    made = await context.slack.door.links.mint(found, caller)
    audited.made(team_id)
    return LinkCodeShape(code=made.plain, command=f"/deplite link {made.plain}", expires_at=made.ends)
