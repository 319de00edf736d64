"""The agent enrols once; it enrols again only when its organization does not know it any more."""

from pathlib import Path
from typing import Any, cast

import pytest

from deplite.local.api import Api
from deplite.local.enrollment import AgentWatch, Enrollment, prepare
from deplite.local.errors import LocalError
from deplite.local.layout import Layout


class FakeApi:
    def __init__(self, *agents: dict[str, Any]) -> None:
        self.listed = list(agents)
        self.reported: set[str] = set()
        self.codes = 0
        self.away = False

    async def agents(self) -> list[dict[str, Any]]:
        if self.away:
            raise LocalError("no answer")
        return self.listed

    async def workflows(self, agent_id: str) -> set[str]:
        return self.reported

    async def enrollment_code(self, label: str) -> str:
        self.codes += 1
        return "a code"


def agent(agent_id: str, status: str = "connected", name: str = "local") -> dict[str, Any]:
    return {"id": agent_id, "status": status, "name": name}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout.at(tmp_path).make()
    (made.agent / "key.pem").write_text("a key")
    return made


async def start(api: FakeApi, layout: Layout, known: str | None) -> Enrollment:
    return await prepare(cast(Api, api), layout, known)


async def test_a_known_agent_goes_on(layout: Layout) -> None:
    planned = await start(FakeApi(agent("ag-1", "disconnected"), agent("ag-2")), layout, "ag-1")
    assert planned == Enrollment("ag-1", None, frozenset({"ag-2"}))


async def test_the_first_run_enrols(layout: Layout) -> None:
    planned = await start(FakeApi(), layout, None)
    assert planned == Enrollment(None, "a code", frozenset())


@pytest.mark.parametrize("listed", [(), (agent("ag-1", "revoked"),)])
async def test_a_forgotten_or_revoked_agent_enrols_with_a_new_key(
    layout: Layout, listed: tuple[dict[str, Any], ...]
) -> None:
    planned = await start(FakeApi(*listed), layout, "ag-1")
    assert planned.code == "a code"
    assert list(layout.agent.iterdir()) == []


async def test_a_first_run_that_was_cut_short_keeps_its_key(layout: Layout) -> None:
    planned = await start(FakeApi(agent("ag-1"), agent("ag-2", name="prod")), layout, None)
    assert planned.others == {"ag-2"}
    assert (layout.agent / "key.pem").exists()


async def test_the_agent_is_ready_once_its_workflow_is_reported() -> None:
    api = FakeApi()
    watch = AgentWatch(cast(Api, api), Enrollment(None, "a code", frozenset({"ag-2"})), "deploy-prod")
    api.away = True
    assert not await watch.ready()
    api.away = False
    api.listed = [agent("ag-2")]
    assert not await watch.ready()
    api.listed = [agent("ag-1"), agent("ag-2")]
    assert not await watch.ready()
    api.reported = {"deploy-prod"}
    assert await watch.ready()
    assert watch.agent_id == "ag-1"
