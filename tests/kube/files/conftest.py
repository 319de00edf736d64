"""One replica and one organization for each module, with the three ways to its files."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.files.doors import Door, of_agent, of_person, of_token
from tests.kube.jobs.conftest import Bench, bench, people, replica, settings, stage

__all__ = ["bench", "people", "replica", "settings", "stage"]
"""Fixtures of the jobs' tests."""

KINDS = ("person", "token", "agent")


@pytest_asyncio.fixture(scope="module")
async def doors(stage: Bench) -> dict[str, Door]:
    """The stage's doors, by kind."""
    made = (of_person(stage), await of_token(stage, "files"), of_agent(stage, await stage.made()))
    return {door.kind: door for door in made}


@pytest.fixture(params=KINDS)
def door(request: pytest.FixtureRequest, doors: dict[str, Door]) -> Door:
    """Each of them."""
    return doors[request.param]


@pytest_asyncio.fixture(scope="module")
async def bucket(settings: Settings) -> AsyncIterator[S3Store]:
    """The bucket, as the server reaches it."""
    from deplite_apiserver.jobs.desk import bucket_of

    store = bucket_of(settings)
    yield store
    await store.close()


async def keys(bucket: S3Store, namespace: str, file_id: str) -> list[str]:
    """Return the keys of a file's objects."""
    return [one.key for one in await bucket.list(f"files/{namespace}/{file_id}")]
