"""The apiserver dies in the middle of what is done to a file: what was acknowledged is there, and a repeat goes on."""

import asyncio
from typing import Any

import httpx

from tests.faults.stage import Stage
from tests.kube.files.doors import get, put


async def again(stage: Stage, method: str, path: str, body: Any = None) -> httpx.Response:
    """Ask until there is an answer that is no 5xx, as every client should."""
    async with asyncio.timeout(60), stage.owner() as http:
        while True:
            try:
                answer = await http.request(method, path, json=body)
            except httpx.HTTPError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code < 500:
                return answer
            await asyncio.sleep(0.2)


async def listed(stage: Stage) -> dict[str, str]:
    found = (await again(stage, "GET", "/files?limit=200")).json()
    return {one["id"]: one["status"] for one in found}


async def test_killed_while_a_file_is_announced(stage: Stage) -> None:
    before = await listed(stage)
    stage.arm("apiserver.file.announced")
    upload = (await again(stage, "POST", "/files/presign-upload", {"filename": "a"})).json()
    await stage.hit("apiserver.file.announced")
    assert (await put(upload, b"abc")).status_code == 200
    assert (await again(stage, "POST", f"/files/{upload['fileId']}/complete")).json()["size"] == 3
    new = {file_id: status for file_id, status in (await listed(stage)).items() if file_id not in before}
    # The first one, that nobody knows of, is swept some hours later.
    assert new.pop(upload["fileId"]) == "stored"
    assert list(new.values()) == ["pending"]


async def test_killed_while_an_upload_is_completed(stage: Stage) -> None:
    for place in ("apiserver.file.checked", "apiserver.file.completed"):
        upload = (await again(stage, "POST", "/files/presign-upload", {"size": 3})).json()
        assert (await put(upload, b"abc")).status_code == 200
        stage.arm(place)
        completed = await again(stage, "POST", f"/files/{upload['fileId']}/complete")
        await stage.hit(place)
        assert (completed.status_code, completed.json()["status"]) == (200, "stored")
        shown = await again(stage, "GET", f"/files/{upload['fileId']}")
        assert shown.json() == completed.json()
        address = (await again(stage, "GET", f"/files/{upload['fileId']}/download-url")).json()["downloadUrl"]
        assert (await get(address)).content == b"abc"


async def test_killed_while_a_file_is_deleted(stage: Stage) -> None:
    upload = (await again(stage, "POST", "/files/presign-upload", {})).json()
    file_id = upload["fileId"]
    assert (await put(upload, b"abc")).status_code == 200
    assert (await again(stage, "POST", f"/files/{file_id}/complete")).status_code == 200
    stage.arm("apiserver.file.unrecorded")
    assert (await again(stage, "DELETE", f"/files/{file_id}")).status_code == 404
    await stage.hit("apiserver.file.unrecorded")
    # Its object is left, and no record names it: the sweeper's business (tests/kube, strays).
    assert file_id not in await listed(stage)
    assert (await again(stage, "GET", f"/files/{file_id}/download-url")).status_code == 404
