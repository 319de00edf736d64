"""A desk whose server files what is uploaded."""

from collections.abc import Iterator

import pytest

from tests.bucket import Bucket, serving
from tests.unit.agent.artifacts.filing import Filing
from tests.unit.agent.jobs.conftest import desks, server
from tests.unit.agent.server import Server

__all__ = ["desks", "server"]


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with serving() as served:
        yield served


@pytest.fixture
def filing(bucket: Bucket, server: Server) -> Filing:
    filed = Filing(bucket=bucket)
    server.script = filed
    return filed
