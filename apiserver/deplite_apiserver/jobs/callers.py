"""Callers as the jobs' part sees them: who asks for a run, who may read a job, and what reading costs a token."""

from dataclasses import replace

from deplite.resources.apitoken import ApiToken
from deplite.resources.deployjob import DeployJob, Requester
from deplite.resources.identifiers import object_id
from deplite.resources.organization import ORGANIZATION_NAME
from deplite_apiserver.auth.callers import TokenCaller, UserCaller
from deplite_apiserver.auth.dependencies import require_role
from deplite_apiserver.auth.token import still_good
from deplite_apiserver.caches import Caches
from deplite_apiserver.context import Context
from deplite_apiserver.errors import NotFoundError, UnavailableError
from deplite_apiserver.jobs.lookup import Reader
from deplite_apiserver.limits.limiter import Limiter, refusal
from deplite_apiserver.limits.windows import Exceeded, Quota

TOKEN_READS_PER_MINUTE = 300


def requester_of(caller: UserCaller | TokenCaller) -> Requester:
    """Return who a job's spec says asked for it."""
    if isinstance(caller, TokenCaller):
        return Requester(kind="token", id=caller.id, name=caller.token.spec.display_name or caller.token.name[:128])
    return Requester(kind="user", id=caller.id[:512], name=caller.name[:128])


def reader_of(context: Context, caller: UserCaller | TokenCaller) -> Reader:
    """Return what a caller may read of jobs."""
    if isinstance(caller, TokenCaller):
        home = caller.organization
        return Reader(
            belongs_to=lambda namespace: namespace == home,
            organizations=lambda: [home],
            grants=caller.token.spec.grants,
        )
    return Reader(
        belongs_to=lambda namespace: is_member(context, caller, namespace),
        organizations=lambda: [one for one in organizations(context.caches) if is_member(context, caller, one)],
        grants=None,
    )


def may_still_read(context: Context, caller: UserCaller | TokenCaller, job: DeployJob) -> bool:
    """Whether a caller who stays may read a job now: credentials end, and so do memberships."""
    now = context.clock.now()
    if isinstance(caller, UserCaller):
        return now.timestamp() < caller.expires_at and is_member(context, caller, job.namespace)
    token = still_good(context.caches, caller, now)
    return token is not None and reader_of(context, replace(caller, token=token)).granted(job)


def is_member(context: Context, caller: UserCaller, namespace: str) -> bool:
    """Whether a person belongs to an organization."""
    try:
        require_role(context, caller, namespace, "member")
    except NotFoundError:
        return False
    return True


def organizations(caches: Caches) -> list[str]:
    """Return the ids of all organizations.

    Raises:
        UnavailableError: they are not known yet.
    """
    if not caches.organizations.synced:
        raise UnavailableError(retry_after=1)
    return [one.namespace for one in caches.organizations.values() if one.name == ORGANIZATION_NAME]


async def charge_read(limiter: Limiter, caller: UserCaller | TokenCaller) -> None:
    """Count a read of a token.

    Raises:
        RateLimitedError: it has read 300 times in this minute.
    """
    if isinstance(caller, TokenCaller):
        await charge_token_read(limiter, caller.token)


async def charge_token_read(limiter: Limiter, token: ApiToken) -> None:
    """As `charge_read`, for what is known to be a token's."""
    key = f"token_read:{object_id('tok', *token.key)}"
    quota = Quota(key=key, scope="token_read", window="minute", limit=TOKEN_READS_PER_MINUTE)
    reserved = await limiter.reserve([quota])
    if isinstance(reserved, Exceeded):
        raise refusal(reserved)
