"""One installation for all fault tests; agents, callers and ledgers of its own for each."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.local.controlplane import ControlPlane
from deplite.local.objectstore import ObjectStore
from tests.faults.fleet import Fleet
from tests.faults.ledger import Ledger
from tests.faults.pair import Pair
from tests.faults.site import WENT_OFF, Site
from tests.faults.stage import Stage
from tests.slackfake import FakeSlack, serving


@pytest.fixture(scope="session")
def fake_slack() -> Iterator[FakeSlack]:
    with serving() as fake:
        yield fake


@pytest_asyncio.fixture(scope="session")
async def site(session_folder: Path, fake_slack: FakeSlack) -> AsyncIterator[Site]:
    running = await Site.start(session_folder / "faults", more=fake_slack.environment(session_folder))
    fake_slack.app_url = running.url
    yield running
    await running.stop()


@pytest_asyncio.fixture
async def slack(site: Site, fake_slack: FakeSlack) -> AsyncIterator[FakeSlack]:
    """Slack without any fault before and after, and connected to the organization."""
    await site.ready()
    if not await site.ask("GET", "/slack/installations"):
        url = (await site.ask("GET", "/slack/install-url"))["url"]
        page = await asyncio.to_thread(fake_slack.install, url)
        assert page.status_code == 200, page.text
    yield fake_slack
    fake_slack.heal()
    if not fake_slack.accepting:
        fake_slack.up()


@pytest_asyncio.fixture(scope="session")
async def pair(session_folder: Path) -> AsyncIterator[Pair]:
    """An installation with two apiservers."""
    running = await Pair.start(session_folder / "pair", replicas=2)
    yield running
    await running.stop()


@pytest_asyncio.fixture
async def pack(pair: Pair, tmp_path: Path, ledger: Ledger) -> AsyncIterator[Fleet]:
    """Agents of the pair."""
    await pair.ready()
    made = Fleet(pair, tmp_path / "pack", ledger)
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="package")
async def staged(session_folder: Path, control_plane: ControlPlane, object_store: ObjectStore) -> AsyncIterator[Stage]:
    running = await Stage.set_up(session_folder / "stage", control_plane, object_store)
    yield running
    await running.stop()


@pytest_asyncio.fixture
async def stage(staged: Stage) -> AsyncIterator[Stage]:
    """The stage, without any fault before and after."""
    await staged.ready()
    yield staged
    staged.heal()


@pytest_asyncio.fixture
async def crew(stage: Stage, tmp_path: Path, ledger: Ledger) -> AsyncIterator[Fleet]:
    """Agents of the stage."""
    made = Fleet(stage, tmp_path / "crew", ledger)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest_asyncio.fixture
async def fleet(site: Site, tmp_path: Path, ledger: Ledger) -> AsyncIterator[Fleet]:
    await site.ready()
    made = Fleet(site, tmp_path / "fleet", ledger)
    yield made
    await made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if WENT_OFF:
        times = ", ".join(f"{name} {count}" for name, count in sorted(WENT_OFF.items()))
        terminalreporter.write_line(f"{len(WENT_OFF)} failpoints went off: {times}")
