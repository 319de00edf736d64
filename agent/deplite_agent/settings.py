"""Every setting of the agent: read once from the environment, then frozen."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from deplite_agent.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says."""

    url: str
    """The server, with or without a prefix (`/api` or `/v1`), without a final slash."""
    token: str | None = field(repr=False)
    """The enrolment code; needed at the first start only."""
    token_file: Path | None
    """Holds an enrolment code, or a token that somebody renews; read at each try. With it, an agent that the server
    does not know any more enrols again by itself."""
    state: Path
    """Key, journal and spool; made with mode 0700."""
    workflows: Path
    secrets: Path
    name: str
    """What people see; the host name unless said otherwise."""
    drain_seconds: float
    """How long running jobs may go on after SIGTERM."""
    delivery_seconds: float
    """After that: how long results and logs may take to get to the server; what does not, waits on the disk."""
    concurrency: int
    """Jobs that run at once; the others wait for one to end."""
    grace_seconds: float
    """Between SIGTERM and SIGKILL of a step that is stopped."""
    scan_seconds: float
    """How often the workflows folder is looked at for changes."""
    heartbeat_seconds: float
    """How often the server is told that this agent lives."""
    silence_seconds: float
    """A stream that shows nothing for so long is dead; the server sends a comment every ten seconds."""
    log_format: Literal["json", "text"]


def load_settings(environment: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Settings:
    """Return the settings.

    Args:
        environment: the variables.
        root: whether the defaults are the system's folders; None: whether this process is root.

    Raises:
        SettingsError: one is missing or wrong.
    """
    url = environment.get("DEPLITE_URL", "").rstrip("/")
    if not _is_address(url):
        raise SettingsError("Set DEPLITE_URL to the server's address, e.g. https://deplite.example.com.")
    as_root = os.geteuid() == 0 if root is None else root
    workflows = _path(environment, "DEPLITE_WORKFLOWS_DIR") or _configuration(environment, as_root) / "workflows"
    log_format = environment.get("DEPLITE_LOG_FORMAT", "text")
    if log_format not in ("json", "text"):
        raise SettingsError("DEPLITE_LOG_FORMAT must be text or json.")
    token, token_file = environment.get("DEPLITE_TOKEN") or None, _path(environment, "DEPLITE_TOKEN_FILE")
    if token is not None and token_file is not None:
        raise SettingsError("DEPLITE_TOKEN and DEPLITE_TOKEN_FILE are both set; keep one of them.")
    return Settings(
        url=url,
        token=token,
        token_file=token_file,
        state=_path(environment, "DEPLITE_STATE_DIR") or _state(environment, as_root),
        workflows=workflows,
        secrets=_path(environment, "DEPLITE_SECRETS_DIR") or workflows.parent / "secrets",
        name=environment.get("DEPLITE_NAME") or socket.gethostname(),
        drain_seconds=float(_whole(environment, "DEPLITE_DRAIN_SECONDS", 10, 0)),
        delivery_seconds=float(_whole(environment, "DEPLITE_DELIVERY_SECONDS", 2, 0)),
        concurrency=_whole(environment, "DEPLITE_CONCURRENCY", 16, 1),
        grace_seconds=float(_whole(environment, "DEPLITE_GRACE_SECONDS", 10, 0)),
        scan_seconds=float(_whole(environment, "DEPLITE_SCAN_SECONDS", 5, 1)),
        heartbeat_seconds=float(_whole(environment, "DEPLITE_HEARTBEAT_SECONDS", 60, 1)),
        silence_seconds=float(_whole(environment, "DEPLITE_SILENCE_SECONDS", 40, 15)),
        log_format="json" if log_format == "json" else "text",
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no port
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or re.search(r"[\x00-\x20\x7f]", url))
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


def _whole(environment: Mapping[str, str], variable: str, default: int, least: int) -> int:
    text = environment.get(variable) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 8) or not least <= int(text) <= 1_000_000:
        raise SettingsError(f"{variable} must be a whole number, at least {least}.")
    return int(text)


def _path(environment: Mapping[str, str], variable: str) -> Path | None:
    if not environment.get(variable):
        return None
    try:
        return Path(environment[variable]).expanduser().absolute()
    except RuntimeError:  # ~ of somebody who does not exist
        raise SettingsError(f"{variable} names no path.") from None


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home())


def _configuration(environment: Mapping[str, str], as_root: bool) -> Path:
    if as_root:
        return Path("/etc/deplite")
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else _home(environment) / ".config") / "deplite"


def _state(environment: Mapping[str, str], as_root: bool) -> Path:
    if as_root:
        return Path("/var/lib/deplite-agent")
    base = environment.get("XDG_STATE_HOME")
    return (Path(base) if base else _home(environment) / ".local" / "state") / "deplite-agent"
