"""The shell lines of docs/files.md, letter by letter."""

import asyncio
import os
import re
from pathlib import Path

import httpx

from tests.e2e.conftest import ROOT, require
from tests.kube.edge.conftest import Organized
from tests.kube.edge.people import People

LINES = "\n".join(re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "files.md").read_text(), re.MULTILINE | re.DOTALL))


async def test_a_file_goes_up_and_down_as_the_page_says(
    home: Organized, people: People, http: httpx.AsyncClient, owner: dict[str, str], tmp_path: Path
) -> None:
    require("curl", "jq", "sha256sum")
    content = b"<h1>\xed\x95\x9c\xea\xb8\x80</h1>\n" * 100_000
    (tmp_path / "report.html").write_bytes(content)
    said = {"DEPLITE_URL": home.base, "DEPLITE_ORG_ID": home.namespace, "DEPLITE_JWT": people.token("olga")}
    shell = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "-euo", "pipefail", "-c", f'{LINES}\necho "$FILE" > id.txt'),
        cwd=tmp_path,
        env=os.environ | said | {"no_proxy": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await shell.communicate()
    assert shell.returncode == 0, printed.decode()
    assert (tmp_path / "downloaded.html").read_bytes() == content
    file_id = (tmp_path / "id.txt").read_text().strip()
    assert f'"id":"{file_id}"' in printed.decode(), "it is listed before it is deleted"
    assert (await http.get(f"/orgs/{home.namespace}/files/{file_id}", headers=owner)).status_code == 404
