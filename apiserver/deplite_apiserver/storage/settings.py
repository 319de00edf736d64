"""Where the object store is and how it is spoken to."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_HOST = re.compile(r"(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


def _origin(value: str) -> str:
    """Return `http(s)://host[:port]` as every HTTP client says it in `Host`, which is what gets signed."""
    parts = urlsplit(value)
    scheme, host = parts.scheme.lower(), parts.netloc.lower()
    if scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host) or parts.path not in ("", "/"):
        raise ValueError("must be http(s)://host or http(s)://host:port and nothing more")
    if parts.query or parts.fragment:
        raise ValueError("must be http(s)://host or http(s)://host:port and nothing more")
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}"


Origin = Annotated[str, AfterValidator(_origin)]


class S3Settings(BaseModel):
    """Where logs and files are kept."""

    model_config = ConfigDict(frozen=True)

    endpoint: Origin
    """`http(s)://host[:port]`, as this process reaches it."""
    public_endpoint: Origin | None = None
    """As those reach it who upload and download files; None: by `endpoint`, too."""
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    region: str = Field(default="us-east-1", pattern=r"^[A-Za-z0-9-]{1,64}$")
    style: Literal["path", "host"] = "path"
    """Whether the bucket is in the path of an address or the first part of its host."""
    access_key_file: Path
    secret_key_file: Path
    ca_file: Path | None = None
    """Certificates (PEM) of the authorities that vouch for the store, instead of the machine's."""
