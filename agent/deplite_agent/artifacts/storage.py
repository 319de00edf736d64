"""PUTs files to presigned addresses of the object store: piece by piece, so that no file is ever in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import BinaryIO

import httpx

from deplite.protocol.refusal import retry_after, store_code, store_temporary
from deplite_agent import VERSION
from deplite_agent.errors import RefusedError, StorageAwayError

PIECE = 256 * 1024
STALL_SECONDS = 60.0
"""A connection that takes not one piece in so long is dead."""
ANSWER_SECONDS = 300.0
"""A store may have to put gigabytes to its disks before it answers."""


class Storage:
    """The object store, as far as a presigned address lets one in."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        """Make it.

        Args:
            client: another HTTP client.
        """
        self._http = client or httpx.AsyncClient(
            timeout=httpx.Timeout(STALL_SECONDS, connect=5.0, read=ANSWER_SECONDS),
            headers={"User-Agent": f"deplite-agent/{VERSION}"},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def put(
        self, url: str, headers: Mapping[str, str], file: BinaryIO, size: int, sent: Callable[[int], None]
    ) -> None:
        """Upload a file from where it stands.

        Args:
            url: where to; it is a credential, and never shown.
            headers: what the signature demands.
            file: read in a thread, piece by piece.
            size: bytes; what a file has beyond them is not sent.
            sent: told after each piece how many bytes are on their way.

        Raises:
            RefusedError: the store does not take it; 412 says that the object is there already.
            StorageAwayError: it does not answer, or asks to be left alone.
        """
        sent_headers = {**headers, "Content-Length": str(size)}
        try:
            async with self._http.stream("PUT", url, content=_pieces(file, size, sent), headers=sent_headers) as answer:
                body = await _beginning(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise StorageAwayError(f"The storage does not answer: {type(error).__name__}.") from error
        if not answer.is_success:
            raise _failure(answer, body)


async def _pieces(file: BinaryIO, size: int, sent: Callable[[int], None]) -> AsyncIterator[bytes]:
    done = 0
    while done < size and (piece := await _read(file, min(PIECE, size - done))):
        yield piece
        done += len(piece)
        sent(done)


async def _read(file: BinaryIO, most: int) -> bytes:
    """Read in a thread; a cancel waits for it, so that nobody closes the file beneath the thread."""
    reading = asyncio.create_task(asyncio.to_thread(file.read, most))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.wait([reading])
        raise


async def _beginning(answer: httpx.Response) -> bytes:
    body = b""
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > 4096:
            break
    return body


def _failure(answer: httpx.Response, body: bytes) -> RefusedError | StorageAwayError:
    code = store_code(body)
    if store_temporary(answer.status_code):
        seconds = retry_after(answer.headers.get("Retry-After"))
        return StorageAwayError(f"The storage answers {answer.status_code} {code}.", seconds)
    return RefusedError(answer.status_code, code, "the storage refuses the upload")
