"""AWS Signature Version 4 in the query of an address; minio's client binds nothing but `host` into it, ours any header.

The body's hash is always `UNSIGNED-PAYLOAD`: SeaweedFS refuses `x-amz-content-sha256` in such an address (tried). Who
wants a body bound signs `x-amz-checksum-sha256`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlsplit

from deplite_apiserver.storage.credentials import Keys

_ALGORITHM = "AWS4-HMAC-SHA256"


def signed_url(
    method: str,
    address: str,
    *,
    keys: Keys,
    region: str,
    at: datetime,
    seconds: int,
    headers: Mapping[str, str],
    parameters: Mapping[str, str],
) -> str:
    """Return an address that is good for one method, with exactly these headers and parameters, for some time.

    Args:
        method: of HTTP.
        address: scheme, host as clients say it in `Host`, and path, encoded and without a query.
        keys: the credential; the secret does not get into the address.
        region: of the bucket.
        at: when it begins to be good, in UTC.
        seconds: how long it is.
        headers: what the request must carry besides `Host`.
        parameters: what else the query says.
    """
    moment, parts = at.strftime("%Y%m%dT%H%M%SZ"), urlsplit(address)
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    signed = {"host": parts.netloc, **{name.lower(): _folded(value) for name, value in headers.items()}}
    names = ";".join(sorted(signed))
    query = _query(
        {
            **parameters,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{keys.access_key}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": names,
        }
    )
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = "\n".join((method, parts.path, query, lines, names, "UNSIGNED-PAYLOAD"))
    digest = hashlib.sha256(request.encode()).hexdigest()
    signature = _mac(_key(keys.secret_key, scope), f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}").hex()
    return f"{address}?{query}&X-Amz-Signature={signature}"


def encoded(text: str, safe: str = "") -> str:
    """Return text with everything encoded but letters, digits, `-`, `.`, `_`, `~` and what `safe` names."""
    return quote(text, safe=f"~{safe}")


def _folded(value: str) -> str:
    """Return a header's value as it is signed: without blanks around it, and one where there are several."""
    return " ".join(part for part in value.split(" ") if part)


def _query(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in sorted(parameters.items()))


def _key(secret: str, scope: str) -> bytes:
    found = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        found = _mac(found, part)
    return found


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
