"""One replica and one organization for each module, with the three ways to its files."""

import pytest
import pytest_asyncio

from deplite_apiserver.storage.s3 import S3Store
from tests.kube.files.doors import Door, of_agent, of_person, of_token
from tests.kube.jobs.conftest import Bench, bench, bucket, people, replica, settings, stage

__all__ = ["bench", "bucket", "people", "replica", "settings", "stage"]
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


async def keys(bucket: S3Store, namespace: str, file_id: str) -> list[str]:
    """Return the keys of a file's objects."""
    return [one.key for one in await bucket.list(f"files/{namespace}/{file_id}")]
