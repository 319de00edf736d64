"""Every bound of every CRD, broken by one, is refused by the API server; what just fits is taken and can be read."""

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.errors import InvalidError
from tests.kube.resources.conftest import Door, refusal
from tests.kube.resources.extremes import DEFINITIONS, Breach, breaches, spec_of, status_of
from tests.organizations import create_organization, delete_namespace

SPECS, STATUSES = list(breaches("spec")), list(breaches("status"))


async def created(door: Door, kind: str, *, most: bool) -> str:
    return str((await door.create(kind, spec_of(kind, most=most)))["metadata"]["name"])


@pytest.mark.parametrize("most", [True, False], ids=["most", "least"])
@pytest.mark.parametrize("kind", sorted(DEFINITIONS))
async def test_the_extremes_are_taken_and_loaded(door: Door, kind: str, most: bool) -> None:
    name = await created(door, kind, most=most)
    stored = await door.patch(kind, name, {"status": status_of(kind, most=most)}, status=True)
    loaded = await door.load(kind, name)
    assert loaded.name == name
    assert loaded.wire()["spec"].keys() >= stored["spec"].keys()
    assert loaded.wire()["status"].keys() >= {key for key, value in stored.get("status", {}).items() if value != []}
    await door.remove(kind, name)


def test_there_are_as_many_breaches_as_bounds() -> None:
    assert len(SPECS) > 200
    assert len(STATUSES) > 300
    assert {breach.bound.split()[0] for breach in SPECS} >= {"type", "enum", "maxLength", "pattern", "unknown"}


@pytest.mark.parametrize("breach", SPECS, ids=str)
async def test_a_spec_with_one_bound_broken_is_refused(door: Door, breach: Breach) -> None:
    with pytest.raises(InvalidError) as caught:
        await door.create(breach.kind, breach.apply())
    text = refusal(caught)
    assert breach.complaint in text
    assert breach.place in text


@pytest_asyncio.fixture(scope="module")
async def standing(kube: KubeClient) -> AsyncIterator[tuple[Door, dict[str, str]]]:
    """One good object of each kind, by name, in a namespace of theirs: there can be only one Organization."""
    door = Door(kube, f"org-{secrets.token_hex(5)}")
    await create_organization(kube, door.namespace)
    yield door, {kind: await created(door, kind, most=False) for kind in sorted(DEFINITIONS)}
    await delete_namespace(kube, door.namespace)


@pytest.mark.parametrize("breach", STATUSES, ids=str)
async def test_a_status_with_one_bound_broken_is_refused(standing: tuple[Door, dict[str, str]], breach: Breach) -> None:
    door, names = standing
    with pytest.raises(InvalidError) as caught:
        await door.patch(breach.kind, names[breach.kind], {"status": breach.apply()}, status=True)
    text = refusal(caught)
    assert breach.complaint in text
    assert breach.place in text
