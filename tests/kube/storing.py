"""The object store of the tests as the apiserver is told of it, and the same one behind TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deplite.local.objectstore import ObjectStore
from deplite_apiserver.storage.settings import S3Settings


def place_of(store: ObjectStore, **changed: Any) -> S3Settings:
    """Return where a store is, with what a test wants otherwise."""
    found = {
        "endpoint": store.endpoint,
        "bucket": store.bucket,
        "region": store.region,
        "access_key_file": store.access_key_file,
        "secret_key_file": store.secret_key_file,
    }
    return S3Settings.model_validate(found | changed)


@contextlib.asynccontextmanager
async def encrypted(endpoint: str, certificate: Path, key: Path) -> AsyncIterator[str]:
    """Yield an https address of what an http endpoint serves."""
    parts = urlsplit(endpoint)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        with contextlib.suppress(OSError):
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
