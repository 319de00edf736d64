"""The app's home tab in Slack: who one is here, what can be run, and what ran last."""

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from deplite.resources.slackinstallation import SlackInstallation
from deplite.resources.trigger import Trigger
from deplite_apiserver.context import Context
from deplite_apiserver.errors import ApiError
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.slack import texts
from deplite_apiserver.slack.blocks import section
from deplite_apiserver.slack.finding import triggers_of
from deplite_apiserver.slack.mrkdwn import code, units
from deplite_apiserver.slack.names import agent_names
from deplite_apiserver.slack.speaker import Speaker, ToldError, member_of, workspace_of

MAX_JOBS, MAX_TRIGGERS = 10, 25
SECTION_LIMIT = 2900
"""UTF-16 units; Slack takes 3000."""


async def publish(context: Context, speaker: Speaker) -> None:
    """Show the tab to somebody.

    Raises:
        SlackError: Slack did not take it.
        KubeError: the bot token cannot be read.
        ApiError: it is not known yet whose workspace it is.
    """
    try:
        installation = await workspace_of(context, speaker)
    except ToldError:
        return  # there is no token to say it with
    view = view_of(context, speaker, installation.namespace, _hindrance(context, speaker, installation))
    await context.slack.say(installation, "views.publish", user_id=speaker.user_id, view=view)


def _hindrance(context: Context, speaker: Speaker, installation: SlackInstallation) -> str | None:
    """Return why somebody may see nothing, if they may not."""
    try:
        member_of(context, speaker, installation)
    except ToldError as told:
        return told.text
    except ApiError as error:
        return texts.refused(error)
    return None


def view_of(context: Context, speaker: Speaker, organization: str, hindrance: str | None) -> dict[str, Any]:
    """Return the view; a stranger sees nothing of the organization."""
    if hindrance is not None:
        return home([hindrance, speaker.says.help()])
    names = agent_names(context.caches, organization)
    mine = [one for one in context.caches.jobs.values() if one.namespace == organization]
    recent = heapq.nlargest(MAX_JOBS, mine, key=lambda one: (one.created_at, one.name))
    return home(
        [
            f"You are linked to your account in {code(organization, texts.NAME_LIMIT)}.",
            "*What can be run*\n" + _triggers(triggers_of(context, organization), names),
            "*What ran last*\n" + _jobs(recent),
            speaker.says.help(),
        ]
    )


def home(sections: Sequence[str]) -> dict[str, Any]:
    """Return a home tab of sections of mrkdwn."""
    return {"type": "home", "blocks": [section(text) for text in sections]}


def _triggers(found: Sequence[Trigger], names: Mapping[str, str]) -> str:
    return _fitting([texts.trigger_line(one, names) for one in found[:MAX_TRIGGERS]], len(found))


def _jobs(found: Sequence[JobView]) -> str:
    return _fitting([texts.job_line(one) for one in found], len(found))


def _fitting(lines: Sequence[str], all_of_them: int) -> str:
    """Return as many lines as a section has room for."""
    kept: list[str] = []
    room = SECTION_LIMIT
    for line in lines:
        room -= units(line) + 1
        if room < 0:
            break
        kept.append(line)
    if len(kept) < all_of_them:
        kept.append(f"… and {all_of_them - len(kept)} more.")
    return "\n".join(kept) or "Nothing yet."
