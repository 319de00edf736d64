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
    state: Path
    """Key, journal and spool; made with mode 0700."""
    workflows: Path
    secrets: Path
    name: str
    """What people see; the host name unless said otherwise."""
    drain_seconds: float
    """How long running jobs may go on after SIGTERM."""
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
    workflows = _folder(environment, "DEPLITE_WORKFLOWS_DIR", _configuration(environment, as_root) / "workflows")
    log_format = environment.get("DEPLITE_LOG_FORMAT", "text")
    if log_format not in ("json", "text"):
        raise SettingsError("DEPLITE_LOG_FORMAT must be text or json.")
    return Settings(
        url=url,
        token=environment.get("DEPLITE_TOKEN") or None,
        state=_folder(environment, "DEPLITE_STATE_DIR", _state(environment, as_root)),
        workflows=workflows,
        secrets=_folder(environment, "DEPLITE_SECRETS_DIR", workflows.parent / "secrets"),
        name=environment.get("DEPLITE_NAME") or socket.gethostname(),
        drain_seconds=float(_whole(environment, "DEPLITE_DRAIN_SECONDS", 10, 0)),
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


def _folder(environment: Mapping[str, str], variable: str, default: Path) -> Path:
    if not environment.get(variable):
        return default
    try:
        return Path(environment[variable]).expanduser().absolute()
    except RuntimeError:  # ~ of somebody who does not exist
        raise SettingsError(f"{variable} names no folder.") from None


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
