"""The app at Slack that this installation of Deplite is, and how Slack is reached."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deplite_apiserver.storage.settings import Origin

SLACK_URL = "https://slack.com"


def _safe(origin: str) -> str:
    parts = urlsplit(origin)
    if parts.scheme == "http" and not _loopback(parts.hostname or ""):
        raise ValueError("must be https (http only on this machine's own addresses)")
    return origin


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class SlackSettings(BaseModel):
    """What api.slack.com shows of the app; secrets are in files, which may change while we run."""

    model_config = ConfigDict(frozen=True)

    client_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    client_secret_file: Path
    signing_secret_file: Path
    url: Annotated[Origin, AfterValidator(_safe)] = SLACK_URL
    """Where Slack is: `https://host[:port]`; another one than Slack's own is for tests and proxies."""
