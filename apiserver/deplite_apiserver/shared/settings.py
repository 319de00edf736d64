"""The Redis (or Valkey) that replicas share, as `DEPLITE_REDIS_URL` and its companions name it."""

from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

REDIS_PORT, SENTINEL_PORT = 6379, 26379
_FORMS = (
    "redis://HOST[:PORT][/DATABASE], redis+sentinel://HOST[:PORT],…/MASTER[/DATABASE] or redis+cluster://HOST[:PORT],…"
    " (rediss for TLS)"
)

Topology = Literal["single", "sentinel", "cluster"]


class RedisAddress(BaseModel):
    """Where Redis is."""

    model_config = ConfigDict(frozen=True)

    topology: Topology
    hosts: tuple[tuple[str, int], ...] = Field(min_length=1)
    """Of the one server, of the Sentinels, or of some nodes of the cluster."""
    tls: bool
    master: str = ""
    """What the Sentinels call it."""
    database: int = Field(default=0, ge=0)

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        """Read a URL.

        Raises:
            ValueError: it is none of ours; the message never repeats it, for it may hold a password.
        """
        parts = urlsplit(url)
        secure, _, topology = parts.scheme.partition("+")
        topology = topology or "single"
        if secure not in ("redis", "rediss") or topology not in ("single", "sentinel", "cluster"):
            raise ValueError(f"must be {_FORMS}")
        if "@" in parts.netloc:
            raise ValueError(
                "must hold no user and no password: put the password into the file that DEPLITE_REDIS_PASSWORD_FILE "
                "names, and the user into DEPLITE_REDIS_USERNAME"
            )
        if parts.query or parts.fragment:
            raise ValueError(f"must be {_FORMS}")
        hosts = _hosts(parts, SENTINEL_PORT if topology == "sentinel" else REDIS_PORT)
        if topology == "single" and len(hosts) > 1:
            raise ValueError("names several servers: begin it with redis+sentinel or redis+cluster")
        master, database = _path(parts.path.strip("/"), topology)
        return cls.model_validate(
            {"topology": topology, "hosts": hosts, "tls": secure == "rediss", "master": master, "database": database}
        )


def _hosts(parts: SplitResult, usual: int) -> list[tuple[str, int]]:
    found = []
    for one in parts.netloc.split(","):
        host = urlsplit(f"//{one}")
        if not host.hostname:
            raise ValueError(f"names no host; it must be {_FORMS}")
        found.append((host.hostname, host.port or usual))
    return found


def _path(path: str, topology: str) -> tuple[str, str | int]:
    """Return the master's name and the database."""
    master, database = "", path
    if topology == "sentinel":
        master, _, database = path.partition("/")
        if not master:
            raise ValueError("must end with the name that the Sentinels give the master, e.g. /mymaster")
    if database and not database.isdecimal():
        raise ValueError("must end with the number of a database, or with nothing")
    if topology == "cluster" and database not in ("", "0"):
        raise ValueError("must name no database: a cluster has one only")
    return unquote(master), database or 0


class RedisSettings(BaseModel):
    """How the shared Redis is reached; the password is in a file, which may change while we run."""

    model_config = ConfigDict(frozen=True)

    url: str = Field(repr=False)
    username: str | None = None
    password_file: Path | None = None
    sentinel_password_file: Path | None = None
    """Of the Sentinels themselves, where they demand one."""
    ca_file: Path | None = None
    """The only authorities believed about it; None: those of the machine."""

    @field_validator("url")
    @classmethod
    def _readable(cls, url: str) -> str:
        RedisAddress.parse(url)
        return url

    @property
    def address(self) -> RedisAddress:
        """Where it is."""
        return RedisAddress.parse(self.url)
