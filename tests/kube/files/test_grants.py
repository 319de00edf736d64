"""What an API token may do with which files: permissions, and the labels of its storage grants."""

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite_apiserver.jobs.callers import TOKEN_READS_PER_MINUTE
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.files.doors import Door, of_person, of_token
from tests.kube.jobs.conftest import Bench
from tests.kube.jobs.timeline import timeline


@pytest_asyncio.fixture(scope="module")
async def red(stage: Bench) -> str:
    """A stored file with the label `red`."""
    return await of_person(stage).stored(b"r", bindingId="red")


@pytest_asyncio.fixture(scope="module")
async def bare(stage: Bench) -> str:
    """A stored file without a label."""
    return await of_person(stage).stored(b"b")


async def test_a_token_without_a_storage_grant_gets_403_whatever_it_names(stage: Bench, red: str) -> None:
    door = await of_token(stage, "none", {"type": "trigger", "triggers": ["deploy"]})
    for file_id in (red, "f-aaaaaaaaaaaaaaaa"):
        for answer in (
            await door.ask("POST", door.announcing, {"size": 0}),
            await door.complete(file_id),
            await door.shown(file_id),
            await door.address(file_id),
            await door.delete(file_id),
            await door.ask("GET", door.files, None),
        ):
            refused(answer, 403, "token_scope")


async def test_labels_outside_the_grant_are_404_and_no_label_is_outside(stage: Bench, red: str, bare: str) -> None:
    everything = ["read", "write", "delete"]
    blue = await of_token(stage, "blue", {"type": "storage", "bindings": ["blue"], "permissions": everything})
    for file_id in (red, bare, "f-aaaaaaaaaaaaaaaa"):
        for answer in (
            await blue.complete(file_id),
            await blue.shown(file_id),
            await blue.address(file_id),
            await blue.delete(file_id),
        ):
            refused(answer, 404, "not_found")
    for body in ({"bindingId": "red"}, {}):
        refused(await blue.ask("POST", blue.announcing, body), 403, "token_scope")
    own = await blue.stored(b"x", bindingId="blue")
    assert [one["id"] for one in (await blue.ask("GET", blue.files, None)).json()] == [own]
    refused(await blue.ask("GET", f"{blue.files}?bindingId=red", None), 403, "token_scope")
    assert (await blue.content(own)).content == b"x"
    assert (await blue.delete(own)).status_code == 204


@pytest.mark.parametrize("permission", ["read", "write", "delete"])
async def test_a_permission_is_for_its_own_deeds_only(stage: Bench, permission: str) -> None:
    door = await of_token(stage, permission, {"type": "storage", "bindings": ["x"], "permissions": [permission]})
    file_id = await of_person(stage).stored(b"x", bindingId="x")
    asked = {
        "write": [
            await door.ask("POST", door.announcing, {"bindingId": "x"}),
            await door.complete(file_id),
        ],
        "read": [
            await door.shown(file_id),
            await door.address(file_id),
            await door.ask("GET", door.files, None),
        ],
        "delete": [await door.delete(file_id)],
    }
    for needed, answers in asked.items():
        for answer in answers:
            if needed == permission:
                assert answer.is_success, answer.text
            else:
                refused(answer, 403, "token_scope")


async def test_grants_add_up_each_with_its_own_labels(stage: Bench, red: str, bare: str) -> None:
    door = await of_token(
        stage,
        "both",
        {"type": "storage", "bindings": ["red"], "permissions": ["read"]},
        {"type": "storage", "bindings": ["green"], "permissions": ["read", "delete"]},
    )
    assert (await door.shown(red)).status_code == 200
    refused(await door.delete(red), 403, "token_scope")
    refused(await door.shown(bare), 404, "not_found")
    green = await of_person(stage).stored(b"g", bindingId="green")
    assert (await door.delete(green)).status_code == 204


async def test_calls_of_a_token_are_counted_as_reads(
    settings: Settings, kube: KubeClient, organization: str, people: People
) -> None:
    async with timeline(settings, kube, organization, people) as line:  # its clock stands still: no minute ends
        file_id = await of_person(line.bench).stored(b"x")
        door = await of_token(line.bench, "busy")
        answers = [(await door.shown(file_id)).status_code for _ in range(TOKEN_READS_PER_MINUTE)]
        assert set(answers) == {200}
        body = refused(await door.shown(file_id), 429, "rate_limited")
        assert body["scope"] == "token_read"


async def test_a_person_sees_all_labels(stage: Bench, red: str, bare: str) -> None:
    door: Door = of_person(stage)
    listed = {one["id"] for one in (await door.ask("GET", door.files, None)).json()}
    assert {red, bare} <= listed
