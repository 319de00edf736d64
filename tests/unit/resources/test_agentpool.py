"""How an agent of a pool is called, and who owns what is made for a pool."""

import re

import pytest

from deplite.resources import Agent, AgentPool
from deplite.resources.agentpool import account_of, pool_agent_name
from deplite.resources.limits import NAME_PATTERN
from deplite.resources.resource import Meta

LONG = "n" + ".n" * 126
"""The longest name that a node has."""


@pytest.mark.parametrize("node", ["node-1", "ip-10-0-0-1.eu-west-1.compute.internal", "n" * 249])
def test_the_name_of_an_agent_is_pool_and_node(node: str) -> None:
    assert pool_agent_name("web", node) == f"web.{node}"


@pytest.mark.parametrize("node", ["n" * 250, LONG])
def test_one_that_is_too_long_is_cut_and_stays_a_name(node: str) -> None:
    name = pool_agent_name("web", node)
    assert len(name) <= 253
    assert re.fullmatch(NAME_PATTERN, name)
    assert not re.search(r"\.[.-]|-\.", name)


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert len({pool_agent_name("web", f"{'n' * 252}{end}") for end in "abc"}) == 3


def test_the_account_of_the_longest_name_is_a_name() -> None:
    assert account_of("p" * 40) == f"{'p' * 40}-agents"


def pool(uid: str) -> AgentPool:
    return AgentPool(metadata=Meta(name="web", namespace="org-a", uid=uid))


def test_what_is_made_for_a_pool_says_so_and_is_known_again() -> None:
    metadata = Meta(name="web.n", namespace="org-a", owner_references=(pool("u1").owning,))
    assert pool("u1").controls(metadata)
    assert not pool("u2").controls(metadata)
    assert not pool("u1").controls(Meta(name="web.n"))
    assert Agent(metadata=metadata).manifest()["metadata"]["ownerReferences"] == [
        {"apiVersion": "deplite.io/v1alpha1", "kind": "AgentPool", "name": "web", "uid": "u1", "controller": True}
    ]


def test_an_owner_that_does_not_control_is_no_controller() -> None:
    loose = pool("u1").owning.model_copy(update={"controller": None})
    assert not pool("u1").controls(Meta(owner_references=(loose,)))
