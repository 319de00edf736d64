"""The answer to a command: in time whatever is away, in words whatever goes wrong, and later where it took longer."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from deplite.kube.errors import KubeError
from deplite_apiserver.audit.entry import Entry
from deplite_apiserver.context import Context
from deplite_apiserver.errors import ApiError
from deplite_apiserver.slack import texts
from deplite_apiserver.slack.actions import Asking, act
from deplite_apiserver.slack.parse import Help, Problem
from deplite_apiserver.slack.speaker import Speaker, ToldError

log = logging.getLogger(__name__)


async def in_time(
    context: Context,
    speaker: Speaker,
    work: Coroutine[Any, Any, str],
    late: Callable[[str], object],
) -> str:
    """Do what is asked, and return the words for it within the time that Slack waits.

    What takes longer goes on: the audit record then says that its outcome is unknown.

    Args:
        context: the collaborators.
        speaker: who asks.
        work: does it and returns the words; as `in_words`.
        late: is given the words that came after the time.
    """
    task = asyncio.create_task(work)
    done, _ = await asyncio.wait({task}, timeout=context.settings.waits.slack)
    if done:
        return task.result()
    context.slack.door.follow(task, late)
    return speaker.says.slow()


async def in_words(context: Context, speaker: Speaker, asked: Asking | Help | Problem, entry: Entry) -> str:
    """Do what is asked, and return words for it; never raises. They say whether anything was done."""
    entry.changed = False
    if isinstance(asked, Help):
        return speaker.says.help()
    if isinstance(asked, Problem):
        return speaker.says.problem(asked.message)
    try:
        return await act(context, speaker, asked, entry)
    except ToldError as told:
        entry.nothing()
        return told.text
    except ApiError as error:
        entry.nothing()
        return texts.refused(error)
    except KubeError as error:
        log.warning("the Kubernetes API: %s", error, extra={"action": "kube_error"})
        if entry.unsure and (not error.status or error.status >= 500):
            return speaker.says.unknown()
        entry.nothing()
        return texts.AWAY
    except Exception:
        log.exception("a command of Slack failed", extra={"action": "slack_command_failed"})
        return texts.WRONG
