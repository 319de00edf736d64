"""Tokens of pods of agent pools: cheap checks first, then the Kubernetes API is asked, at a pace; what it says counts.

A pod shows the token that the kubelet gives it for our audience. Only the ServiceAccount that the operator made for the
pool counts, by its uid: one of that name that was there before, or came later, is nobody's.
"""

import logging
from typing import Protocol

from deplite.kube.errors import KubeError
from deplite.kube.tokenreview import TokenReview
from deplite.resources.agent import AgentPod
from deplite.resources.agentpool import AUDIENCE, AgentPool, account_of, pool_agent_name
from deplite_apiserver.auth.callers import PodCaller
from deplite_apiserver.auth.failures import source_of
from deplite_apiserver.auth.podclaims import PodClaims, claims_of, is_for_agents
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.errors import (
    InvalidEnrollTokenError,
    PodReplacedError,
    UnavailableError,
    WrongCredentialError,
)
from deplite_apiserver.limits.pace import Pace

log = logging.getLogger(__name__)

REVIEWS_PER_SECOND = 50
"""Of this replica: whoever makes up tokens costs the Kubernetes API no more, and pods try again."""
REVIEWS_OF_ONE_ORGANIZATION = 25
"""Its own pods can make the Kubernetes API busy, and keep out no others."""
REVIEWS_OF_ONE_ADDRESS = 10
"""A pod has an address of its own, so a flood from elsewhere does not keep it out."""
_EXTRA = "authentication.kubernetes.io"
_REFUSED = "This token is not one of a pod of an agent pool, or is not good any more; the server's log says why."


class Reviewer(Protocol):
    """What is needed of `KubeClient`."""

    async def review_token(self, token: str, audience: str) -> TokenReview:
        """Ask whether a token is good, and whose it is."""


class PodTokens:
    """Tells which pod of which pool shows a token."""

    def __init__(self, reviewer: Reviewer, caches: Caches, clock: Clock) -> None:
        self._reviewer, self._caches, self._clock = reviewer, caches, clock
        self._pace = Pace(REVIEWS_PER_SECOND, clock.monotonic)
        self._organizations = Pace(REVIEWS_OF_ONE_ORGANIZATION, clock.monotonic)
        self._addresses = Pace(REVIEWS_OF_ONE_ADDRESS, clock.monotonic)

    async def verify(self, token: str, *, address: str) -> PodCaller:
        """Return the pod that a token speaks for.

        Args:
            token: as it was shown; it is told to nobody but the Kubernetes API.
            address: the client's.

        Raises:
            WrongCredentialError: it was not made to be shown here.
            InvalidEnrollTokenError: for whatever is wrong with it.
            PodReplacedError: it is not good any more, and was that of a pod which another one has replaced.
            UnavailableError: too many are shown at once, or it cannot be told.
        """
        if not is_for_agents(token):
            raise WrongCredentialError
        claims = claims_of(token, self._clock.now().timestamp())
        if claims is None:
            raise _refused("it names no pod and node of a pool, or has expired")
        pool = await self._caches.find(self._caches.pools, lambda: self._pool(claims))
        if pool is None:
            raise _refused("no pool has this very ServiceAccount", claims)
        if not self._may_ask(claims, address):
            raise UnavailableError("Too many pods enrol at once; try again.", retry_after=1)
        review = await self._ask(token)
        pod = _pod_of(review, pool)
        if pod is None:
            refused = _refused(f"the Kubernetes API says: {_said(review)}", claims)
            raise PodReplacedError if self._was_replaced(claims) else refused
        return PodCaller(pool=pool, pod=pod)

    def _may_ask(self, claims: PodClaims, address: str) -> bool:
        return (
            self._addresses.allows(source_of(address))
            and self._organizations.allows(claims.namespace)
            and self._pace.allows()
        )

    def _pool(self, claims: PodClaims) -> AgentPool | None:
        pool = self._caches.pools.get(claims.namespace, claims.pool)
        if pool is None or pool.metadata.deletion_timestamp is not None:
            return None
        account = pool.status.service_account
        return pool if account is not None and account.uid == claims.account_uid else None

    def _was_replaced(self, claims: PodClaims) -> bool:
        """Whether a token names, true or not, a replaced pod: one deleted by force lives on, and has to know."""
        agent = self._caches.agents.get(claims.namespace, pool_agent_name(claims.pool, claims.node))
        return agent is not None and claims.pod_uid in agent.status.replaced_pods

    async def _ask(self, token: str) -> TokenReview:
        try:
            return await self._reviewer.review_token(token, AUDIENCE)
        except KubeError as error:  # also where we may not ask: that is nothing that a pod could mend
            log.error("a pod's token cannot be checked: %s", error, extra={"action": "review_failed"})
            raise UnavailableError("Pods' tokens cannot be checked for the moment; try again.", retry_after=2) from None


def _pod_of(review: TokenReview, pool: AgentPool) -> AgentPod | None:
    """Return the pod that a review tells of, if the token is good and one of the pool's."""
    account = pool.status.service_account
    name, uid, node = (review.one(f"{_EXTRA}/{key}") for key in ("pod-name", "pod-uid", "node-name"))
    if not review.authenticated or account is None or review.uid != account.uid:
        return None
    if review.username != f"system:serviceaccount:{pool.namespace}:{account_of(pool.name)}":
        return None
    return AgentPod(name=name, uid=uid, node=node) if name and uid and node else None


def _said(review: TokenReview) -> str:
    if review.authenticated:
        return "it is good, but names no pod and node of this pool (that needs Kubernetes 1.30)"
    return "".join(char if char.isprintable() else " " for char in review.error[:300]) or "it is not good"


def _refused(why: str, claims: PodClaims | None = None) -> InvalidEnrollTokenError:
    of = f" of {claims.namespace}/{claims.pool}" if claims else ""
    log.info("a pod's token%s is refused: %s", of, why, extra={"action": "pod_refused"})
    return InvalidEnrollTokenError(_REFUSED)
