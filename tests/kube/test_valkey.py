"""The Valkey of one machine: ready when it answers, and nobody gets in without the password."""

import asyncio
from pathlib import Path

from deplite.local.ports import choose
from deplite.local.process import Process
from deplite.local.valkey import Valkey


async def said(port: int, command: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(command.encode())
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_it_answers_to_the_password_alone_and_keeps_it(tmp_path: Path) -> None:
    port = choose(["valkey"], {})["valkey"]
    valkey = Valkey(tmp_path / "valkey", port, tmp_path / "valkey.log")
    valkey.prepare()
    password = valkey.password_file.read_text()
    for _ in range(2):  # what a restart finds is the same
        valkey.prepare()
        program = valkey.program()
        assert not [argument for argument in program.argv if password in argument]
        process = await Process.start(program)
        await process.wait_ready(60)
        assert (await said(port, "GET a\r\n")).startswith(b"-NOAUTH")
        assert await said(port, f"AUTH {password}\r\n") == b"+OK\r\n"
        await process.stop()
    for path in (valkey.password_file, valkey.folder / "valkey.conf"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert valkey.folder.stat().st_mode & 0o777 == 0o700
