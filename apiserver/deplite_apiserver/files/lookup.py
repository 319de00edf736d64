"""Finding a file for whoever asks; absent, foreign and expired alike are not found."""

import contextlib
from datetime import datetime, timedelta

from deplite.kube.errors import KubeError
from deplite.resources.apitoken import Permission
from deplite.resources.deployjob import DeployJob
from deplite.resources.identifiers import ID_PATTERN
from deplite_apiserver.auth.callers import AgentCaller, TokenCaller
from deplite_apiserver.context import Context
from deplite_apiserver.errors import NotFoundError, TokenScopeError
from deplite_apiserver.files.view import FileView
from deplite_apiserver.tokens.grants import covers, permits

NEWS = timedelta(minutes=1)
"""What happened longer ago has come to every replica."""


async def of_organization(context: Context, namespace: str, file_id: str) -> FileView:
    """Return a file of an organization.

    Raises:
        NotFoundError: it has none of that id.
    """
    files, found = context.caches.files, None
    if ID_PATTERN.fullmatch(file_id):
        found = await context.caches.find(files, lambda: next(iter(files.by("id", file_id)), None))
    if found is None or found.namespace != namespace or not is_there(found, context.clock.now()):
        raise NotFoundError
    return found


async def of_token(context: Context, caller: TokenCaller, file_id: str, permission: Permission) -> FileView:
    """Return a file that a token may do something with.

    Raises:
        NotFoundError: there is none in the labels of its grants.
        TokenScopeError: there is, but the token may not do this with it.
    """
    grants = caller.token.spec.grants
    found = await of_organization(context, caller.organization, file_id)
    if not covers(grants, found.binding):
        raise NotFoundError
    if not permits(grants, permission, found.binding):
        raise not_granted(permission)
    return found


async def of_agent(context: Context, caller: AgentCaller, file_id: str) -> FileView:
    """Return a file of one of an agent's jobs.

    Raises:
        NotFoundError: there is none.
    """
    found = await of_organization(context, caller.agent.namespace, file_id)
    if found.agent != caller.agent.name:
        raise NotFoundError
    return found


def of_job(context: Context, job: DeployJob) -> list[FileView]:
    """Return the files of a job, oldest first; the job itself may have left the cluster."""
    now = context.clock.now()
    found = [
        file
        for file in context.caches.files.by("job", (job.namespace, job.name))
        if is_there(file, now) and (file.job_uid is None or job.metadata.uid.startswith(file.job_uid))
    ]
    return sorted(found, key=lambda file: file.order)


async def of_shown_job(context: Context, job: DeployJob) -> list[FileView]:
    """Return them as `of_job`; those of a job that has just ended which seem unfinished are read again.

    Their uploads may have been completed at another replica a moment ago.
    """
    found, now = of_job(context, job), context.clock.now()
    ended = job.status.finished_at
    pending = [file for file in found if not file.stored]
    if not pending or ended is None or now - ended > NEWS:
        return found
    with contextlib.suppress(KubeError):
        for file in pending:
            await context.caches.reread(context.caches.files, (file.namespace, file.name), file.uid)
    return of_job(context, job)


def is_there(file: FileView, now: datetime) -> bool:
    """Whether a file is to be seen: what has expired is gone for callers, though the sweeper may not have come yet."""
    return not file.leaving and (file.expires_at is None or now < file.expires_at)


def not_granted(permission: Permission) -> TokenScopeError:
    """Return the refusal of what no grant of the token permits."""
    return TokenScopeError(f"The token's grants do not permit to {permission} files here.")
