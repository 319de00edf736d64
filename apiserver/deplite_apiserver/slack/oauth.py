"""Installing the app: the link that a member follows, and what Slack's answer to their browser comes to."""

import re
from datetime import datetime

from deplite.resources.notify import TEAM_PATTERN
from deplite.resources.organization import Member
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.audit.entry import Entry
from deplite_apiserver.auth.callers import UserCaller
from deplite_apiserver.context import Context
from deplite_apiserver.edge.body import printable
from deplite_apiserver.errors import ApiError, ValidationFailedError
from deplite_apiserver.slack.connections import slack_away
from deplite_apiserver.slack.errors import SlackError, SlackRefusedError
from deplite_apiserver.slack.state import Claim, refused

CALLBACK_PATH = "/slack/oauth/callback"


async def begin(context: Context, organization: str, caller: UserCaller) -> tuple[str, datetime]:
    """Return the link at which a member installs the app into a workspace, and when it ends.

    Raises:
        ConflictError: `slack_not_configured`, `secrets_forbidden`.
    """
    app = context.slack.app
    await context.slack.connections.check_rights(organization)
    state, ends = context.slack.states.issue(organization, caller.issuer, caller.subject)
    return app.install_url(state=state, redirect_uri=_redirect_uri(context)), ends


async def finish(
    context: Context, audited: Entry, *, state: str | None, code: str | None, error: str | None
) -> SlackInstallation:
    """Connect the workspace that a member has installed the app into; what is refused changes nothing.

    Args:
        context: the replica's.
        audited: the record of the request, which learns here who it is.
        state: what came back of the link.
        code: what Slack exchanges for a bot token, once.
        error: why Slack's user installed nothing.

    Raises:
        ApiError: one leaf each for what can be wrong; its message says what to do.
        KubeError: the cluster cannot be asked, or did not take it.
    """
    app, states = context.slack.app, context.slack.states
    if not state:
        raise refused("This address lacks what Slack adds to it.")
    claim = states.read(state)
    member = await _member(context, claim)
    audited.by(UserCaller(issuer=member.issuer, subject=member.subject))
    audited.within(claim.organization)
    if error:
        raise _declined(error)
    if not code:
        raise refused("This address lacks what Slack adds to it.")
    await context.slack.connections.admit(claim.organization, claim.sha256)
    await states.spend(claim)
    try:
        granted = await app.exchange(code, _redirect_uri(context))
    except SlackRefusedError as problem:
        raise _code_refused(problem) from None
    except SlackError as problem:
        await states.give_back(claim)
        raise slack_away(problem) from None
    return await context.slack.connections.connect(
        claim.organization,
        granted,
        team_id=_team(granted.team_id, enterprise=granted.enterprise),
        by=f"{member.issuer}#{member.subject}",
        state_sha256=claim.sha256,
    )


def _redirect_uri(context: Context) -> str:
    return f"{context.settings.public_url}{CALLBACK_PATH}"


async def _member(context: Context, claim: Claim) -> Member:
    caches = context.caches
    found = await caches.find(caches.organizations, lambda: caches.organization(claim.organization))
    member = claim.member_of(found.spec.members) if found is not None else None
    if member is None:
        raise refused("Whoever began this is not a member of the organization any more; nothing has changed.")
    return member


def _declined(error: str) -> ApiError:
    said = "somebody declined" if error == "access_denied" else printable(error[:64])
    return refused(f"The app was not installed at Slack ({said}); nothing has changed.")


def _code_refused(problem: SlackRefusedError) -> ApiError:
    message = (
        f"Slack does not accept this installation ({problem.code}); nothing has changed. Ask Deplite for a new link; "
        "if this stays, whoever runs the server compares client id, secret and redirect URL with the app's at Slack."
    )
    return ValidationFailedError(message, code="slack_code_refused")


def _team(team_id: str | None, *, enterprise: bool) -> str:
    if enterprise or team_id is None:
        message = (
            "The app was installed for a whole Enterprise organization of Slack, which is not supported: remove it "
            "there, ask Deplite for a new link and choose one workspace."
        )
        raise ValidationFailedError(message, code="slack_enterprise_install")
    if not re.fullmatch(TEAM_PATTERN, team_id):
        raise ValidationFailedError("Slack names a workspace whose id is none.", code="slack_code_refused")
    return team_id
