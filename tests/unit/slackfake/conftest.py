"""The fake, and an installed app that speaks to it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from tests.slackfake import FakeSlack, serving
from tests.unit.slackfake.installing import installed, web


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with serving() as fake:
        yield fake


@pytest_asyncio.fixture
async def client(slack: FakeSlack) -> AsyncIterator[AsyncWebClient]:
    yield web(slack, await installed(slack))
