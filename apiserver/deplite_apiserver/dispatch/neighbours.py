"""What this replica tells the others of its agents, and what it does when it hears from them."""

import math
from collections.abc import Callable

from deplite.kube.lease import Lease
from deplite_apiserver.caches import Caches
from deplite_apiserver.dispatch.balance import Balance
from deplite_apiserver.dispatch.cutoff import CutOff
from deplite_apiserver.dispatch.dispatcher import Dispatcher
from deplite_apiserver.dispatch.duplicates import Duplicates
from deplite_apiserver.dispatch.hearing import MAX_DEAF_SECONDS
from deplite_apiserver.dispatch.presence import Presence
from deplite_apiserver.dispatch.streams import AgentKey, Streams
from deplite_apiserver.files.measured import Measured
from deplite_apiserver.shared.state import Shared

REFRESH = "refresh-workflows"
"""Rung where an agent is to report its workflows, and its stream is not here."""
CONTESTED = "stream-contested"
"""Rung where two processes of an agent displace each other."""
MEASURED = "files-measured"
"""Rung with what was found in the bucket."""


class Neighbours:
    """The other replicas, as this one deals with them."""

    def __init__(
        self,
        *,
        shared: Shared,
        lease: Lease,
        caches: Caches,
        streams: Streams,
        presence: Presence,
        duplicates: Duplicates,
        dispatcher: Dispatcher,
        measured: Measured,
        admits: Callable[[], bool],
        monotonic: Callable[[], float],
    ) -> None:
        """Begin to hear them, and to tell them what they ask for.

        Args:
            shared: how they are reached.
            lease: is held while they cannot be.
            caches: the local copies.
            streams: the open streams.
            presence: when agents were last heard of.
            duplicates: shows that two processes use one identity.
            dispatcher: asks agents to report their workflows.
            measured: what was found in the bucket.
            admits: returns whether this replica takes runs.
            monotonic: seconds of a clock that never goes back.
        """
        self._shared, self._caches, self._streams, self._presence = shared, caches, streams, presence
        self._dispatcher, self._admits = dispatcher, admits
        self._cut_off = CutOff(
            lease, alone=lambda: shared.others.silence, needed=lambda: any(True for _ in presence.known())
        )
        self._balance = Balance(
            streams=streams,
            known=presence.known,
            others=shared.others,
            jobs=caches.jobs,
            takes=self._takes_streams,
            monotonic=monotonic,
        )
        self._attach(duplicates, measured)

    def _attach(self, duplicates: Duplicates, measured: Measured) -> None:
        self._shared.others.attach(
            tell=self._presence.known,
            takes=self._takes_streams,
            opened_there=lambda agent, instance, again: self._streams.supersede(agent, instance, again=again),
            exchanged=self._exchanged,
        )
        bells = self._shared.bells
        bells.subscribe(REFRESH, self._asked_to_report)
        bells.subscribe(CONTESTED, lambda agent: duplicates.seen((agent[0], agent[1])))
        self._streams.subscribe(contested=lambda agent: bells.ring(CONTESTED, agent))
        bells.subscribe(MEASURED, measured.hear)
        measured.attach(lambda found: bells.ring(MEASURED, found))

    @property
    def deaf(self) -> float:
        """Seconds for which we could not have heard of what they hear; without end while one of them cannot tell us."""
        return math.inf if self._cut_off.somebody else self._shared.others.silence

    @property
    def unheard(self) -> bool:
        """Whether nobody hears what this replica knows of its agents: neither the cluster nor the others are in reach.

        The others go by what they hear themselves then: who goes on calling here only would be lost for them.
        """
        return min(self._caches.silence, self._shared.others.silence) > MAX_DEAF_SECONDS

    def ask_to_report(self, agent: AgentKey) -> None:
        """Have the replica that holds an agent's stream ask it to report its workflows."""
        self._shared.bells.ring(REFRESH, agent)

    async def run(self) -> None:
        """Say in the cluster when they cannot be reached, and see whether one of them cannot, for ever."""
        if self._shared.others.exist:
            await self._cut_off.run()

    async def close(self) -> None:
        """Take back what was said in the cluster: the process is about to end."""
        await self._cut_off.close()

    def _takes_streams(self) -> bool:
        return self._admits() and not self._streams.stopping and not self._caches.failing

    def _asked_to_report(self, agent: list[str]) -> None:
        self._dispatcher.refresh_workflows((agent[0], agent[1]))

    def _exchanged(self) -> None:
        self._presence.yield_streams()
        self._balance.round()
