"""Pods of an earlier DaemonSet drain: no new one is made beside them, and none of their agents is taken away."""

from datetime import UTC, datetime, timedelta

import pytest

from deplite.kube.errors import NotFoundError
from deplite.resources import Agent, AgentPool
from deplite.resources.resource import utc
from tests.kube.operating.nodes import NODE, Nodes
from tests.kube.operating.pools import AGENT, Body, Looks, Pool


async def draining(pool: Pool) -> str:
    """Wait until the pool says that its pod drains, and return what it says."""
    while "may go on until" not in (said := await pool.says("PodsTerminating")):
        pass
    return said


async def only_pod(pool: Pool) -> Body:
    (pod,) = await pool.pods()
    return pod


async def waited_for(pool: Pool, looks: Looks, before: Body) -> None:
    """See that the pod that drains is still there after some looks, and no DaemonSet is."""
    await looks.more()
    with pytest.raises(NotFoundError):
        await pool.get(pool.daemon_set)
    assert (await only_pod(pool))["metadata"]["uid"] == before["metadata"]["uid"]


async def followed(pool: Pool, nodes: Nodes, before: Body) -> AgentPool:
    """Let the pod end, and return the pool once another one has taken its place."""
    nodes.draining.discard(pool.namespace)
    found = await pool.becomes("Available")
    assert (await only_pod(pool))["metadata"]["uid"] != before["metadata"]["uid"]
    return found


async def test_a_daemon_set_that_was_deleted_is_made_again_once_its_pods_have_ended(
    pool: Pool, nodes: Nodes, looks: Looks
) -> None:
    nodes.draining.add(pool.namespace)
    await pool.declare()
    await pool.becomes("Available")
    before = await only_pod(pool)
    await pool.remove(pool.daemon_set)
    said = await draining(pool)
    assert (await only_pod(pool))["metadata"]["deletionTimestamp"] in said
    assert NODE in said
    await waited_for(pool, looks, before)
    found = await followed(pool, nodes, before)
    assert (found.status.desired, found.status.ready) == (1, 1)


async def test_a_pool_that_is_made_anew_waits_for_the_pods_of_the_old_one(
    pool: Pool, nodes: Nodes, looks: Looks
) -> None:
    nodes.draining.add(pool.namespace)
    await pool.declare()
    await pool.becomes("Available")
    before = await only_pod(pool)
    await pool.kube.delete(AgentPool, pool.namespace, "linux")
    await pool.declare()
    await draining(pool)
    await waited_for(pool, looks, before)
    await followed(pool, nodes, before)


async def test_pods_that_nothing_controls_are_taken_in_as_they_are(pool: Pool) -> None:
    """What `kubectl delete daemonset --cascade=orphan` leaves."""
    await pool.declare()
    await pool.becomes("Available")
    before, old = await only_pod(pool), await pool.get(pool.daemon_set)
    await pool.kube.connection.request("DELETE", pool.daemon_set, query={"propagationPolicy": "Orphan"})
    uid = old["metadata"]["uid"]
    new = await pool.until(
        pool.daemon_set,
        lambda found: found["metadata"]["uid"] != uid and found["status"].get("numberAvailable") == 1,
    )
    after = await only_pod(pool)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["ownerReferences"][0]["uid"] == new["metadata"]["uid"]
    await pool.becomes("Available")


async def test_an_agent_whose_pod_drains_stays_also_while_the_name_is_taken(
    pool: Pool, nodes: Nodes, looks: Looks
) -> None:
    nodes.draining.add(pool.namespace)
    await pool.declare()
    account = (await pool.becomes("Available")).status.service_account
    await pool.remove(pool.daemon_set)
    await draining(pool)
    status = {"state": "Disconnected", "lastSeenAt": utc(datetime.now(UTC) - timedelta(days=1))}
    await pool.kube.patch_status(Agent, pool.namespace, AGENT, status)
    await looks.more()
    template = {"metadata": {"labels": {"app": "mine"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": "mine"}}, "nodeSelector": {"no": "node"}, "template": template}
    await pool.kube.connection.request(
        "POST", pool.daemon_set.rpartition("/")[0], body={"metadata": {"name": "linux-agents"}, "spec": spec}
    )
    found = await pool.becomes("NameTaken")
    assert found.status.service_account == account
    await looks.more()
    assert (await pool.kube.get(Agent, pool.namespace, AGENT)).status.state == "Disconnected"
    await pool.remove(pool.daemon_set)
    await draining(pool)
    nodes.draining.discard(pool.namespace)
    await pool.becomes("Available")
