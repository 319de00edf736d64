"""A copy of an agent may be older than the claim of a job: the cluster has the last word."""

import pytest

from deplite.kube.errors import NotFoundError
from deplite.protocol.phases import Reason
from deplite.resources import Agent
from deplite_apiserver.sweeper.confirming import Confirming
from tests.unit.apiserver.jobs.builders import NAMESPACE, agent, live
from tests.unit.apiserver.jobs.test_replaced import RUNNING, pods


class Store:
    """A cluster with that agent, or without it."""

    def __init__(self, found: Agent | None) -> None:
        self.found = found
        self.asked = 0

    async def get(self, kind: type[Agent], namespace: str, name: str) -> Agent:
        assert (kind, namespace, name) == (Agent, NAMESPACE, "web")
        self.asked += 1
        if self.found is None:
            raise NotFoundError("gone")
        return self.found


@pytest.mark.parametrize(
    ("reason", "found", "ends"),
    [
        (Reason.AGENT_CRASHED, pods("p2", "p1"), True),
        (Reason.AGENT_CRASHED, pods("p1", "p0"), False),
        (Reason.AGENT_CRASHED, None, False),
        (Reason.AGENT_REVOKED, agent(spec={"revoked": True}), True),
        (Reason.AGENT_REVOKED, agent(), False),  # deleted, and made anew
        (Reason.AGENT_REVOKED, None, False),
        (Reason.AGENT_LOST, None, True),
    ],
)
async def test_the_cluster_has_the_last_word(reason: Reason, found: Agent | None, ends: bool) -> None:
    assert await Confirming(Store(found)).confirms(live(**RUNNING, pod="p1"), reason) is ends


@pytest.mark.parametrize(
    ("reason", "found", "asked"),
    [
        (Reason.AGENT_REVOKED, agent(spec={"revoked": True}), 1),
        (Reason.AGENT_REVOKED, None, 1),
        (Reason.AGENT_CRASHED, pods("p2", "p1"), 3),
        (Reason.AGENT_LOST, agent(), 0),
    ],
)
async def test_a_round_asks_once_about_a_revoked_agent(reason: Reason, found: Agent | None, asked: int) -> None:
    store = Store(found)
    cluster = Confirming(store)
    said = {await cluster.confirms(live(**RUNNING, pod="p1"), reason) for _ in range(3)}
    assert said == {found is not None}
    assert store.asked == asked
