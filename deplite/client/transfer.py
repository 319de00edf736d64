"""Bytes to and from presigned addresses, piece by piece: the size of a file costs no memory."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

import httpx

from deplite import __version__
from deplite.client.errors import AwayError, RefusedError
from deplite.protocol.refusal import retry_after, store_code, store_temporary

PIECE = 256 * 1024
_STALL_SECONDS = 60.0
_ANSWER_SECONDS = 300.0
"""A store may have to put gigabytes to its disks before it answers."""

Told = Callable[[int], None]
"""Told how many bytes are done."""


class Transfer:
    """The object store, as far as a presigned address lets one in. Addresses are credentials, and never shown."""

    def __init__(self, http: httpx.Client | None = None) -> None:
        timeout = httpx.Timeout(_STALL_SECONDS, connect=5.0, read=_ANSWER_SECONDS)
        self._http = http or httpx.Client(timeout=timeout, headers={"User-Agent": f"deplite/{__version__}"})

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def put(self, url: str, headers: Mapping[str, str], file: BinaryIO, size: int, told: Told) -> None:
        """Send a file from where it stands.

        Raises:
            RefusedError: the store does not take it; 412 says that it is there already.
            AwayError: it does not answer, or broke off.
        """
        sent = {**headers, "Content-Length": str(size)}
        try:
            with self._http.stream("PUT", url, content=_pieces(file, size, told), headers=sent) as answer:
                _check(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise AwayError(f"The storage broke off, or does not answer ({type(error).__name__}).") from None

    def get(self, url: str, file: BinaryIO, begin: int, told: Told) -> None:
        """Write what is there to the end of a file.

        Args:
            url: where from.
            file: has the first bytes already; it is emptied where the store does not go on from there.
            begin: how many it has.
            told: told how many it has after each piece.

        Raises:
            RefusedError: the store does not give it; 416 says that there is no more than what the file has.
            AwayError: it does not answer, or broke off.
        """
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
        try:
            with self._http.stream("GET", url, headers=headers) as answer:
                _check(answer)
                done = begin if answer.status_code == 206 else 0
                file.truncate(done)
                file.seek(done)
                for piece in answer.iter_raw():
                    file.write(piece)
                    done += len(piece)
                    told(done)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AwayError(f"The storage broke off, or does not answer ({type(error).__name__}).") from None


def _pieces(file: BinaryIO, size: int, told: Told) -> Iterator[bytes]:
    done = 0
    while done < size and (piece := file.read(min(PIECE, size - done))):
        yield piece
        done += len(piece)
        told(done)


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    code = store_code(_beginning(answer))
    if store_temporary(answer.status_code):
        seconds = retry_after(answer.headers.get("Retry-After"))
        raise AwayError(f"The storage cannot do it now ({answer.status_code} {code}).", seconds)
    raise RefusedError(answer.status_code, code, "The storage refuses it")


def _beginning(answer: httpx.Response) -> bytes:
    body = b""
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > 4096:
            break
    return body
