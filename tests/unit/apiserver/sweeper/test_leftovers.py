"""Credentials that REST created and never got to mint."""

from datetime import timedelta
from typing import Any

import pytest

from deplite.kube.errors import NotFoundError
from deplite.resources import ApiToken, EnrollmentToken
from deplite.resources.resource import Resource
from deplite_apiserver.sweeper.leftovers import HALF_MADE_AFTER, Leftovers, half_made
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


async def test_those_that_are_due_go_and_one_that_is_gone_holds_up_none() -> None:
    store = Store()
    found = [token("gone"), token(), token("good", hashes=HASHES), code()]
    await Leftovers(store=store, credentials=lambda: found, now=lambda: NOW + HALF_MADE_AFTER).round()
    assert store.deleted == [(ApiToken, "ci", UID), (EnrollmentToken, "code", UID)]
