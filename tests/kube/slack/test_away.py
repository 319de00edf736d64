"""Commands while the cluster is away or slow: an answer all the same, and one that promises nothing that is not so."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite_apiserver.settings import Settings, Waits
from tests.faults.proxy import FaultProxy
from tests.kube.serving import PATIENCE, until
from tests.kube.slack.shop import Shop


@pytest_asyncio.fixture(scope="module")
async def proxy(kube: KubeClient) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(urlsplit(kube.connection.host).port or 0) as running:
        yield running


@pytest.fixture(scope="module")
def settings(settings: Settings, kube: KubeClient, proxy: FaultProxy, session_folder: Path) -> Settings:
    """The replica of these tests reaches the cluster through the proxy."""
    assert settings.kubeconfig is not None
    config = settings.kubeconfig.read_text()
    assert kube.connection.host in config
    behind = session_folder / "slack-behind-a-proxy"
    behind.write_text(config.replace(kube.connection.host, f"https://127.0.0.1:{proxy.port}"))
    waits = Waits(missing=PATIENCE, choosing=PATIENCE)
    return settings.model_copy(update={"kubeconfig": behind, "waits": waits})


async def healed_again(shop: Shop, proxy: FaultProxy) -> None:
    """Let the cluster be back, and wait until a command says so."""
    await proxy.accept()
    proxy.speak()
    proxy.cut()

    async def works() -> bool:
        return (await shop.say("triggers")).startswith("•") and not shop.office.replica.context.caches.failing

    await until(works, True, seconds=60)


async def test_while_nobody_answers_nothing_is_promised(shop: Shop, proxy: FaultProxy) -> None:
    await shop.link()
    job = await shop.ran()
    caches = shop.office.replica.context.caches

    async def deaf() -> bool:
        return caches.triggers.deaf and caches.agents.deaf

    await proxy.refuse()
    try:
        for text in (f"status {job.name}", f"logs {job.name}", f"cancel {job.name}"):
            assert "Nothing has been started or changed" in await shop.say(text)
        await until(deaf, True, seconds=60)  # then a run asks by name what it stands on, and gets no further
        assert "Nothing has been started or changed" in await shop.say("run deploy")
        assert "`deploy`" in await shop.say("triggers")
    finally:
        await healed_again(shop, proxy)
    assert [one.name for one in await shop.jobs()] == [job.name]


async def test_a_run_whose_answer_is_lost_is_told_as_unknown_and_found_by_status(shop: Shop, proxy: FaultProxy) -> None:
    await shop.link()
    before = len(await shop.whispered(0))
    proxy.swallow_answers()
    try:
        said = await shop.say("run deploy main", trigger_id="7.7.7")
        assert "not known" in said
        assert "/deplite status" in said
        if "follows here" in said:  # which a machine that stood still just then may outrun
            later = (await shop.whispered(before + 2))[-1]
            assert "not known whether this was done" in later
    finally:
        await healed_again(shop, proxy)

    async def shown() -> bool:
        return "`Deploy Production` at `main`: queued" in await shop.say("status")

    await until(shown, True, seconds=60)
    (job,) = await shop.jobs()
    assert job.name in await shop.say("run deploy main", trigger_id="7.7.7")
    assert len(await shop.jobs()) == 1
