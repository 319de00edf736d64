"""Addresses that let whoever holds one upload or download one very object.

An upload is bound to its type, to `If-None-Match: *` (so that an address never overwrites what it stored) and, where
the uploader declared them, to length and checksum. An address is a credential until it expires: none is ever logged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from urllib.parse import urlsplit

from deplite_apiserver.storage.checksum import to_base64
from deplite_apiserver.storage.credentials import KeyFiles
from deplite_apiserver.storage.disposition import attachment
from deplite_apiserver.storage.settings import S3Settings
from deplite_apiserver.storage.sigv4 import encoded, signed_url


@dataclass(frozen=True, kw_only=True, slots=True)
class PresignedUpload:
    """Where and how to PUT the bytes."""

    url: str = field(repr=False)
    headers: Mapping[str, str]
    """What the uploader must send, besides Host and Content-Length."""


class Presigner:
    """Makes such addresses; asks nobody."""

    def __init__(self, place: S3Settings, now: Callable[[], datetime]) -> None:
        """Make a signer.

        Args:
            place: the bucket, as callers reach it, and the credential.
            now: the present moment in UTC, from which addresses are good.

        Raises:
            OSError: a file of the credential cannot be read.
        """
        self._region, self._now = place.region, now
        self._keys = KeyFiles(place.access_key_file, place.secret_key_file)
        endpoint = urlsplit(place.public_endpoint or place.endpoint)
        in_path = f"{endpoint.scheme}://{endpoint.netloc}/{place.bucket}"
        in_host = f"{endpoint.scheme}://{place.bucket}.{endpoint.netloc}"
        self._bucket = in_path if place.style == "path" else in_host

    def upload(
        self,
        key: str,
        *,
        expires_seconds: int,
        content_type: str,
        size: int | None = None,
        sha256_hex: str | None = None,
    ) -> PresignedUpload:
        """Return where to upload an object that is not there yet.

        The store refuses another type, and where they are given another length (403) or checksum (400), and everything
        once the object is there (412) or the time is over (403).

        Args:
            key: the object's key.
            expires_seconds: how long the address is good; at most a week.
            content_type: the media type that is to be sent and stored.
            size: bytes.
            sha256_hex: of the bytes.
        """
        headers = {"Content-Type": content_type.strip(), "If-None-Match": "*"}
        if sha256_hex is not None:
            headers["x-amz-checksum-sha256"] = to_base64(sha256_hex)
        bound = headers if size is None else headers | {"Content-Length": str(size)}
        url = self._sign("PUT", key, expires_seconds, headers=bound, parameters={})
        return PresignedUpload(url=url, headers=MappingProxyType(headers))

    def download(self, key: str, *, expires_seconds: int, filename: str | None, content_type: str) -> str:
        """Return where to download an object, as a file that a browser saves and does not show.

        Args:
            key: the object's key.
            expires_seconds: how long the address is good; at most a week.
            filename: the name that a browser suggests; None leaves that to the browser.
            content_type: the media type that the answer says.
        """
        says = {"response-content-disposition": attachment(filename), "response-content-type": content_type}
        return self._sign("GET", key, expires_seconds, headers={}, parameters=says)

    def _sign(
        self, method: str, key: str, seconds: int, *, headers: Mapping[str, str], parameters: Mapping[str, str]
    ) -> str:
        return signed_url(
            method,
            f"{self._bucket}/{encoded(key, safe='/')}",
            keys=self._keys.retrieve(),
            region=self._region,
            at=self._now(),
            seconds=seconds,
            headers=headers,
            parameters=parameters,
        )
