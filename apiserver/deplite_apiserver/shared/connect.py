"""From settings to a client of Redis: one server, the master that Sentinels name, or a cluster."""

from pathlib import Path
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.maint_notifications import MaintNotificationsConfig

from deplite_apiserver.secretfiles import SecretFiles
from deplite_apiserver.shared.settings import RedisSettings

CONNECT_SECONDS = 5.0
"""As those wait who are in no hurry; callers of ours give up before."""
SENTINEL_SECONDS = 1.0
"""For each Sentinel: the first may be one that is down."""
HEALTH_SECONDS = 10
"""A connection that was idle for so long is tried before it is used."""

Client = Redis | RedisCluster


class PasswordFile(CredentialProvider):
    """The password as its file says it when a connection is made: a rotated one needs no restart."""

    def __init__(self, file: Path, username: str | None) -> None:
        """Read it for the first time; errors as `SecretFiles`."""
        self._username = username
        self._file = SecretFiles(file, what="the password of Redis", action="redis_unread")

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the present credential; while the file cannot be read, the last one that could."""
        (password,) = self._file.read()
        return (password,) if self._username is None else (self._username, password)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """As `get_credentials`: a small file needs no thread."""
        return self.get_credentials()


def connect(settings: RedisSettings) -> Client:
    """Return a client that has connected to nothing yet; it repeats nothing by itself, for not all may be repeated."""
    address, common = settings.address, _common(settings)
    if address.topology == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return RedisCluster(startup_nodes=nodes, **common)
    if address.topology == "single":
        host, port = address.hosts[0]
        return Redis(host=host, port=port, db=address.database, **common)
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        address.hosts, sentinel_kwargs=_sentinel(settings), db=address.database, **common
    )
    master: Redis = sentinels.master_for(address.master)
    return master


async def disconnect(client: Client) -> None:
    """Close all connections of a client, those to Sentinels as well, which it leaves open."""
    await client.aclose()
    if isinstance(client, Redis) and isinstance(pool := client.connection_pool, SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _common(settings: RedisSettings) -> dict[str, Any]:
    found: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": CONNECT_SECONDS,
        # Who asks sets the time. The client's own is `asyncio.wait_for`, which in Python 3.11 may swallow a cancel.
        "socket_timeout": None,
        "health_check_interval": HEALTH_SECONDS,
        "protocol": 2,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "client_name": "deplite-apiserver",
    }
    if settings.address.tls:
        found |= {"ssl": True, "ssl_ca_certs": None if settings.ca_file is None else str(settings.ca_file)}
    if settings.password_file is not None:
        found["credential_provider"] = PasswordFile(settings.password_file, settings.username)
    return found


def _sentinel(settings: RedisSettings) -> dict[str, Any]:
    found = {key: value for key, value in _common(settings).items() if key != "credential_provider"}
    found |= {"socket_connect_timeout": SENTINEL_SECONDS, "socket_timeout": SENTINEL_SECONDS}
    if settings.sentinel_password_file is not None:
        found["credential_provider"] = PasswordFile(settings.sentinel_password_file, None)
    return found
