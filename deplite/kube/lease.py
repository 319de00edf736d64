"""Who of several processes acts: a Lease that one of them holds and renews.

`held` is judged by our own monotonic clock, counted from before the renewal was sent: a process that was paused past
its lease knows it before it writes anything. `KubeClient.fenced` makes sure of that.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from deplite.errors import DepliteError
from deplite.kube.client import KubeClient
from deplite.kube.errors import AlreadyExistsError, ConflictError, KubeError, NotFoundError

log = logging.getLogger(__name__)


class LeaseLostError(DepliteError):
    """The Lease could not be renewed in time, or somebody else holds it: stop acting."""


def since_boot() -> float:
    """Return seconds of a clock that never goes back, and where the system has one also counts the time of sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


class Lease:
    """One candidate for one Lease of `coordination.k8s.io/v1`."""

    def __init__(
        self,
        kube: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration: float = 15,
        renew: float = 10,
        retry: float = 2,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        """Make a candidate.

        Args:
            kube: the client.
            namespace: the parts' namespace.
            name: the Lease's name.
            identity: who we are, unique to this process.
            duration: seconds that a renewal is good for.
            renew: seconds within which a renewal must succeed, else the Lease counts as lost; less than `duration`.
            retry: seconds between tries.
            monotonic: the clock.
        """
        collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._kube = kube
        self._collection = collection
        self._path = f"{collection}/{name}"
        self._name, self._identity = name, identity
        self._duration, self._renew, self._retry = duration, renew, retry
        self._monotonic = monotonic
        self._held_until = float("-inf")
        self._refused_at = float("-inf")
        self._observed: tuple[Any, ...] = ()
        self._observed_at = float("-inf")

    @property
    def identity(self) -> str:
        """Who we are, as the Lease's holder."""
        return self._identity

    @property
    def held(self) -> bool:
        """Whether nobody else can hold it now."""
        return self.left > 0

    @property
    def left(self) -> float:
        """For how many seconds from now nobody else can hold it, unless it is renewed; 0 or less: somebody may."""
        return self._held_until - self._monotonic()

    @property
    def waiting(self) -> bool:
        """Whether somebody else had it when we last tried, which is no longer ago than a renewal is good for."""
        return not self.held and self._monotonic() - self._refused_at < self._duration

    async def acquire(self) -> None:
        """Wait until it is ours."""
        while True:
            try:
                if await self.claim():
                    log.info("holds the lease %s", self._name, extra={"action": "lease_acquired"})
                    return
            except KubeError as error:
                log.warning("lease %s: %s", self._name, error, extra={"action": "lease_failed"})
            await asyncio.sleep(self._retry)

    async def hold(self) -> None:
        """Renew it until that fails.

        Raises:
            LeaseLostError: always, in the end.
        """
        renewed_at = self._monotonic()
        while True:
            await asyncio.sleep(self._retry)
            began = self._monotonic()
            try:
                async with asyncio.timeout(max(self._renew - (began - renewed_at), 0.01)):
                    if not await self._extend():
                        self._held_until = float("-inf")
                        raise LeaseLostError(f"Somebody else holds the lease {self._name}.")
                renewed_at = began
            except (KubeError, TimeoutError) as error:
                log.warning("lease %s not renewed: %s", self._name, error, extra={"action": "lease_not_renewed"})
            if self._monotonic() - renewed_at >= self._renew:
                self._held_until = float("-inf")
                raise LeaseLostError(f"The lease {self._name} could not be renewed within {self._renew} s.")

    async def claim(self) -> bool:
        """Try once to make it ours, or to renew what is; says whether it is.

        Raises:
            KubeError: the API server does not say.
        """
        began = self._monotonic()
        try:
            found = await self._kube.connection.request("GET", self._path)
        except NotFoundError:
            return await self._write("POST", self._collection, {"metadata": {"name": self._name}, "spec": {}}, began)
        if self._free(found):
            return await self._write("PUT", self._path, found, began)
        self._refused_at = began
        return False

    async def holder(self) -> str | None:
        """Return who else holds it: has renewed it within its duration and ours, by our own clock; None: nobody does.

        The name of one who has not is taken out, so that whoever asks next need not find that out.

        Raises:
            KubeError: the API server does not say.
        """
        try:
            found = await self._kube.connection.request("GET", self._path)
        except NotFoundError:
            return None
        if not self._free(found, at_most=self._duration):
            return str(found["spec"]["holderIdentity"])
        if found.get("spec", {}).get("holderIdentity", "") not in ("", self._identity):
            await self._empty(found)
        return None

    async def release(self) -> None:
        """Give it up, so that the next candidate need not wait; an API server that is away is no error."""
        if not self.held:
            return
        self._held_until = float("-inf")
        try:
            found = await self._kube.connection.request("GET", self._path)
            if found["spec"].get("holderIdentity") == self._identity:
                await self._empty(found)
        except KubeError as error:
            log.info("lease %s not released: %s", self._name, error, extra={"action": "lease_not_released"})

    async def _empty(self, found: dict[str, Any]) -> None:
        """Take the holder's name out, unless somebody wrote meanwhile; one that stays is no error."""
        found["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await self._kube.connection.request("PUT", self._path, body=found)
        except KubeError as error:
            log.info("lease %s not emptied: %s", self._name, error, extra={"action": "lease_not_emptied"})

    async def _extend(self) -> bool:
        """Renew what is ours. Given up, it is not: somebody held it meanwhile, and we know nothing of what he did."""
        began = self._monotonic()
        try:
            found = await self._kube.connection.request("GET", self._path)
        except NotFoundError:
            return False
        ours = found.get("spec", {}).get("holderIdentity") == self._identity
        return ours and await self._write("PUT", self._path, found, began)

    def _free(self, found: dict[str, Any], *, at_most: float = float("inf")) -> bool:
        """Whether it is ours, given up, or not renewed for its duration, or for so long, by our own clock."""
        spec = found.get("spec", {})
        holder = spec.get("holderIdentity", "")
        observed = (holder, spec.get("renewTime"), found["metadata"]["resourceVersion"])
        if observed != self._observed:
            self._observed, self._observed_at = observed, self._monotonic()
        expired = self._monotonic() - self._observed_at > min(spec.get("leaseDurationSeconds", 0), at_most)
        return holder in ("", self._identity) or expired

    async def _write(self, method: str, path: str, body: dict[str, Any], began: float) -> bool:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # a renewTime needs six fractional digits
        spec = dict(body.get("spec", {}))
        if spec.get("holderIdentity") != self._identity:
            spec |= {"acquireTime": now, "leaseTransitions": spec.get("leaseTransitions", 0) + 1}
        seconds = max(1, round(self._duration))
        spec |= {"holderIdentity": self._identity, "renewTime": now, "leaseDurationSeconds": seconds}
        lease = body | {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
        try:
            await self._kube.connection.request(method, path, body=lease)
        except (AlreadyExistsError, ConflictError):
            return False
        self._held_until = began + self._duration
        return True
