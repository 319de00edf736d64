"""Credentials that REST created and never got to mint."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from deplite.kube.errors import NotFoundError
from deplite.resources import Agent, ApiToken, EnrollmentToken
from deplite.resources.resource import Resource
from deplite_apiserver.sweeper.leftovers import HALF_MADE_AFTER, REVOKED_KEPT, Leftovers, half_made, long_revoked
from tests.unit.apiserver.jobs.builders import NOW, UID, meta

GRANTS = [{"type": "trigger", "triggers": ["deploy"]}]
HASHES = [{"sha256": "a" * 64, "prefix": "tk_abc"}]


def token(name: str = "ci", minted_by: str = "api", **status: Any) -> ApiToken:
    return ApiToken.model_validate(
        {"metadata": meta(name), "spec": {"grants": GRANTS, "mintedBy": minted_by}, "status": status}
    )


def code(minted_by: str = "api", **status: Any) -> EnrollmentToken:
    return EnrollmentToken.model_validate({"metadata": meta("code"), "spec": {"mintedBy": minted_by}, "status": status})


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (token(), True),
        (token(hashes=HASHES), False),
        (token(minted_by="operator"), False),
        (code(), True),
        (code(hash="a" * 64), False),
        (code(minted_by="operator"), False),
    ],
)
def test_table(found: ApiToken | EnrollmentToken, left: bool) -> None:
    assert half_made(found, NOW + HALF_MADE_AFTER) is left
    assert not half_made(found, NOW + HALF_MADE_AFTER - timedelta(seconds=1))


class Store:
    def __init__(self) -> None:
        self.deleted: list[tuple[type[Resource], str, str | None]] = []

    async def delete(self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None) -> None:
        if name == "gone":
            raise NotFoundError("gone")
        self.deleted.append((kind, name, uid))


async def swept(store: Store, credentials: list[Any], agents: list[Agent], now: datetime) -> None:
    await Leftovers(store=store, credentials=lambda: credentials, agents=lambda: agents, now=lambda: now).round()


async def test_those_that_are_due_go_and_one_that_is_gone_holds_up_none() -> None:
    store = Store()
    found = [token("gone"), token(), token("good", hashes=HASHES), code()]
    await swept(store, found, [], NOW + HALF_MADE_AFTER)
    assert store.deleted == [(ApiToken, "ci", UID), (EnrollmentToken, "code", UID)]


def agent(
    *, revoked: bool = True, by: str | None = "api", reason: str | None = "AgentRevoked", name: str = "old", **more: str
) -> Agent:
    labels = ({"deplite.io/created-by": by} if by else {}) | more
    seen = {"type": "Stalled", "status": "True", "reason": reason, "lastTransitionTime": NOW.isoformat()}
    metadata = meta(name) | {"labels": labels}
    status = {"conditions": [seen] if reason else []}
    return Agent.model_validate({"metadata": metadata, "spec": {"revoked": revoked}, "status": status})


@pytest.mark.parametrize(
    ("found", "due"),
    [
        (agent(), True),
        (agent(revoked=False), False),
        (agent(by=None), False),  # Git or kubectl made it
        (agent(reason=None), False),  # the operator has not seen it yet
        (agent(reason="Other"), False),
        (agent(**{"deplite.io/pool": "web"}), False),  # its pod would enrol again
    ],
)
def test_a_revoked_agent_stays_for_thirty_days(found: Agent, due: bool) -> None:
    assert long_revoked(found, NOW + REVOKED_KEPT) is due
    assert not long_revoked(found, NOW + REVOKED_KEPT - timedelta(seconds=1))


async def test_agents_go_with_the_rest() -> None:
    store = Store()
    await swept(store, [token()], [agent(), agent(revoked=False, name="new")], NOW + REVOKED_KEPT)
    assert store.deleted == [(ApiToken, "ci", UID), (Agent, "old", UID)]


async def test_what_a_finalizer_holds_is_not_deleted_again() -> None:
    store, held = Store(), agent()
    going = held.metadata.model_copy(update={"deletion_timestamp": NOW})
    await swept(store, [], [held.model_copy(update={"metadata": going})], NOW + REVOKED_KEPT)
    assert store.deleted == []
