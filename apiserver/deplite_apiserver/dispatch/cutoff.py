"""A replica that cannot reach Redis says so in the cluster: what its agents call there, no other one hears.

It holds a Lease of its own as long as that lasts; of several one holds it for all. While somebody does, no silence of
agents counts at any replica (`dispatch/hearing.py`), above all not at the one that would end their jobs.
"""

import asyncio
import logging
from collections.abc import Callable

from deplite.kube.errors import UnavailableError
from deplite.kube.lease import Lease

log = logging.getLogger(__name__)

LEASE_NAME = "deplite-apiserver-cut-off"
ALONE_SECONDS = 9.0
"""After the last exchange with the others: more than one has failed. A single one is no reason to be deaf for all."""
LOOK_SECONDS = 2.0


class CutOff:
    """One replica's word for it, and its look at that of the others.

    Attributes:
        somebody: whether a replica with agents cannot reach Redis, as far as could be seen.
    """

    def __init__(self, lease: Lease, *, alone: Callable[[], float], needed: Callable[[], bool]) -> None:
        """Make it; `run` looks.

        Args:
            lease: is held by who is cut off.
            alone: returns the seconds since the last exchange with the others.
            needed: returns whether agents called this replica lately, or hold streams here.
        """
        self._lease, self._alone, self._needed = lease, alone, needed
        self.somebody = False

    async def run(self) -> None:
        """Say and see it, for ever."""
        while True:
            try:
                await self.look()
            except UnavailableError as error:  # then nobody counts any silence in any case
                log.debug("not known whether a replica is cut off: %s", error)
            except Exception:  # as well for a right that is missing: without this look silence would count wrongly
                log.exception("not known whether a replica is cut off", extra={"action": "cut_off_unknown"})
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Say it once where it is so, and see whether somebody else does.

        Raises:
            KubeError: neither is possible for the moment.
        """
        if self._alone() > ALONE_SECONDS and self._needed():
            await self._lease.claim()  # where it is somebody else's already, all is said
            self.somebody = True
            return
        await self._lease.release()
        holder = await self._lease.holder()
        if holder is not None and not self.somebody:
            log.warning(
                "the replica %s cannot reach Redis: no silence of agents counts until it can",
                holder,
                extra={"action": "replica_cut_off"},
            )
        self.somebody = holder is not None

    async def close(self) -> None:
        """Take it back: the process is about to end."""
        await self._lease.release()
