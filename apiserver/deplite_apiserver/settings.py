"""Every setting of the apiserver: read once from the environment, then frozen."""

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from deplite.errors import DepliteError
from deplite.log import Form, Level
from deplite.resources.storedfile import MAX_FILE_BYTES
from deplite_apiserver.edge.body import MAX_LOG_BODY
from deplite_apiserver.secretfiles import read_secret
from deplite_apiserver.shared.settings import RedisSettings
from deplite_apiserver.slack.settings import SlackSettings
from deplite_apiserver.storage.settings import S3Settings


class SettingsError(DepliteError):
    """A setting is missing or wrong; the message names the variable."""


class IssuerSettings(BaseModel):
    """One issuer whose JWTs are believed."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    issuer: str
    audience: str
    jwks: str
    """A file's path, or an https URL."""
    ca_file: Path | None = None
    """Certificates (PEM) of the authorities that vouch for that URL, instead of the machine's."""
    token_file: Path | None = None
    """Holds what that URL wants as a bearer token, read at each use: a cluster shows its keys to accounts only."""

    @field_validator("jwks")
    @classmethod
    def _file_or_https(cls, value: str) -> str:
        scheme = urlsplit(value).scheme
        if scheme not in ("", "https"):
            raise ValueError("must be a path or an https URL")
        return value

    @model_validator(mode="after")
    def _files_are_for_a_url(self) -> Self:
        if (self.ca_file or self.token_file) and not self.jwks.startswith("https:"):
            raise ValueError("caFile and tokenFile are for an https URL")
        return self


class Issuers(BaseModel):
    """The content of `DEPLITE_JWT_ISSUERS`."""

    model_config = ConfigDict(frozen=True)

    issuers: tuple[IssuerSettings, ...]


class Waits(BaseModel):
    """Seconds that callers are kept waiting for what is slow or away, before they are told so."""

    model_config = ConfigDict(frozen=True)

    request: float = 2.5
    """For each thing that a request needs."""
    slack: float = 2.3
    """For the answer to a command: Slack gives up after three seconds, the way there and back included."""
    missing: float = 1.0
    """Until a cache has caught up that lacks what was asked for."""
    choosing: float = 0.5
    """The same, before one of all jobs is chosen: in a large cluster nobody can tell a quiet watch from a slow one."""


class Settings(BaseModel):
    """What `docs/architecture.md` lists."""

    model_config = ConfigDict(frozen=True)

    listen_host: str = "127.0.0.1"
    listen_port: int = 8080
    shared_listen: tuple[str, int] | None = None
    """Host and port that all replicas of this machine listen on, beside each one's own; None: there is none."""
    metrics_listen: tuple[str, int] | None = None
    """Host and port of `/metrics`, away from what the world reaches; None: nowhere."""
    public_url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = "http://127.0.0.1:8080"
    system_namespace: str = "deplite-system"
    kubeconfig: Path | None = None
    issuers: tuple[IssuerSettings, ...] = ()
    s3: S3Settings
    slack: SlackSettings | None = None
    """The app at Slack; None: Slack is off."""
    redis: RedisSettings | None = None
    """What several replicas share; None: there is one replica, and it keeps everything in memory."""
    log_format: Form = "json"
    log_level: Level = "info"
    """The least that is said; at `debug` only we say more, no library does."""
    lost_seconds: Annotated[float, Field(ge=5, le=86_400)] = 210.0
    """Silence of an agent after which its running jobs count as lost; six sevenths of it show it as disconnected. With
    the default that is 180 s, and all is settled by 240 s. Agents call at least once a minute unless told otherwise."""
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 0.0
    """How long, after the signal to stop, callers may finish with connections that they keep: the answer to the next
    call on each of them is the last one there."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks of proxies in front of us: what they append to `X-Forwarded-For` is believed, and nobody else's."""
    max_unfinished_jobs: Annotated[int, Field(ge=1)] = 10_000
    """Jobs of an organization that have not ended, at most."""
    max_objects: Annotated[int, Field(ge=1)] = 5_000
    """Agents, triggers, API tokens, enrolment codes and Slack workspaces of an organization, together, at most."""
    max_file_bytes: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES)] = 5 * 2**30
    """Of one file, at most; the default is what S3 takes in one PUT."""
    max_files: Annotated[int, Field(ge=1)] = 10_000
    """Files of an organization, at most."""
    max_storage_bytes: Annotated[int, Field(ge=1)] = 100 * 2**30
    """Of all files of an organization together, at most."""
    max_log_bytes: Annotated[int, Field(ge=1024 * 1024)] = 256 * 1024 * 1024
    """The log of one job, as it is stored; then it is cut, and the job goes on."""
    max_log_lines: Annotated[int, Field(ge=1000)] = 2_000_000
    """Lines of it."""
    log_bytes_per_second: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    """How fast one agent may send log lines, of all its jobs together, in the long run."""
    log_burst_bytes: Annotated[int, Field(ge=MAX_LOG_BODY)] = 64 * 1024 * 1024
    """How much at once; the largest request must fit."""
    log_requests_per_second: Annotated[int, Field(ge=1)] = 100
    """How many requests with log lines one agent may send in the long run, and twenty times as many at once."""
    read_seconds: float = 10.0
    """How long the head of a request, and then its body, may take to arrive; no variable sets it."""
    sync_seconds: float = 55.0
    """How long a sync caller waits, for published clients give up after 60 s; no variable sets it."""
    waits: Waits = Waits()
    """How long callers wait for what is slow; no variable sets it."""


_PLAIN = {
    "public_url": "DEPLITE_PUBLIC_URL",
    "system_namespace": "DEPLITE_SYSTEM_NAMESPACE",
    "kubeconfig": "KUBECONFIG",
    "log_format": "DEPLITE_LOG_FORMAT",
    "log_level": "DEPLITE_LOG_LEVEL",
    "max_unfinished_jobs": "DEPLITE_MAX_UNFINISHED_JOBS",
    "max_objects": "DEPLITE_MAX_OBJECTS",
    "max_file_bytes": "DEPLITE_MAX_FILE_BYTES",
    "max_files": "DEPLITE_MAX_FILES",
    "max_storage_bytes": "DEPLITE_MAX_STORAGE_BYTES",
    "lost_seconds": "DEPLITE_LOST_SECONDS",
    "drain_seconds": "DEPLITE_DRAIN_SECONDS",
    "max_log_bytes": "DEPLITE_MAX_LOG_BYTES",
    "max_log_lines": "DEPLITE_MAX_LOG_LINES",
    "log_bytes_per_second": "DEPLITE_LOG_BYTES_PER_SECOND",
    "log_burst_bytes": "DEPLITE_LOG_BURST_BYTES",
    "log_requests_per_second": "DEPLITE_LOG_REQUESTS_PER_SECOND",
}
"""Settings that a variable says as it is; one that is missing or empty leaves the default of the record."""
_S3_NEEDED = {
    "endpoint": "DEPLITE_S3_ENDPOINT",
    "bucket": "DEPLITE_S3_BUCKET",
    "access_key_file": "DEPLITE_S3_ACCESS_KEY_FILE",
    "secret_key_file": "DEPLITE_S3_SECRET_KEY_FILE",
}
_S3_OPTIONAL = {
    "public_endpoint": "DEPLITE_S3_PUBLIC_ENDPOINT",
    "region": "DEPLITE_S3_REGION",
    "style": "DEPLITE_S3_STYLE",
    "ca_file": "DEPLITE_S3_CA_FILE",
}
_SLACK_NEEDED = {
    "client_id": "DEPLITE_SLACK_CLIENT_ID",
    "client_secret_file": "DEPLITE_SLACK_CLIENT_SECRET_FILE",
    "signing_secret_file": "DEPLITE_SLACK_SIGNING_SECRET_FILE",
}
_SLACK_OPTIONAL = {"url": "DEPLITE_SLACK_URL"}
_REDIS = {
    "url": "DEPLITE_REDIS_URL",
    "username": "DEPLITE_REDIS_USERNAME",
    "password_file": "DEPLITE_REDIS_PASSWORD_FILE",
    "sentinel_password_file": "DEPLITE_REDIS_SENTINEL_PASSWORD_FILE",
    "ca_file": "DEPLITE_REDIS_CA_FILE",
}
_PARTS = {"s3": _S3_NEEDED | _S3_OPTIONAL, "slack": _SLACK_NEEDED | _SLACK_OPTIONAL, "redis": _REDIS}
"""The variables of settings that belong together."""


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the environment says.

    Raises:
        SettingsError: one is missing or wrong.
    """
    try:
        return Settings.model_validate(
            {
                **_listen(environment),
                **_set(environment, _PLAIN),
                "issuers": _issuers(environment),
                "s3": _s3(environment),
                "slack": _slack(environment),
                "redis": _redis(environment),
                "trusted_proxies": _networks(environment.get("DEPLITE_TRUSTED_PROXIES", "")),
            }
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise SettingsError(f"{_variable(first['loc'])} is wrong: {first['msg']}.") from None


def _variable(location: Sequence[int | str]) -> str:
    """Return the variable that a field of the settings is read from."""
    field = str(location[0])
    if field in _PARTS:
        return _PARTS[field].get(str(location[1]), field)
    return {**_PLAIN, "trusted_proxies": "DEPLITE_TRUSTED_PROXIES"}.get(field, field)


def _set(environment: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {field: environment[name] for field, name in names.items() if environment.get(name)}


def _listen(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return where to listen, and the URL that this makes where no other one is said."""
    found: dict[str, Any] = {}
    if own := _address(environment, "DEPLITE_LISTEN"):
        found |= {"listen_host": own[0].strip("[]"), "listen_port": own[1]}
    if shared := _address(environment, "DEPLITE_SHARED_LISTEN"):
        found["shared_listen"] = (shared[0].strip("[]"), shared[1])
    if metrics := _address(environment, "DEPLITE_METRICS_LISTEN"):
        found["metrics_listen"] = (metrics[0].strip("[]"), metrics[1])
    if public := shared or own:
        found["public_url"] = f"http://{public[0]}:{public[1]}"
    return found


def _address(environment: Mapping[str, str], variable: str) -> tuple[str, int] | None:
    if not (text := environment.get(variable)):
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(f"{variable} must be host:port, e.g. 127.0.0.1:8080.")
    return host, int(port)


def _networks(text: str) -> list[str]:
    return [network for entry in text.split(",") if (network := entry.strip())]


def _issuers(environment: Mapping[str, str]) -> tuple[IssuerSettings, ...]:
    path = environment.get("DEPLITE_JWT_ISSUERS")
    if not path:
        return ()
    try:
        return Issuers.model_validate_json(f'{{"issuers": {Path(path).read_text()}}}').issuers
    except OSError as error:
        raise SettingsError(f"DEPLITE_JWT_ISSUERS cannot be read: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(f"DEPLITE_JWT_ISSUERS is wrong at {where}: {first['msg']}.") from None


def _s3(environment: Mapping[str, str]) -> dict[str, str]:
    if missing := [name for name in _S3_NEEDED.values() if not environment.get(name)]:
        raise SettingsError(f"Set {', '.join(missing)}: logs are kept in an S3 bucket.")
    found = _set(environment, _S3_NEEDED | _S3_OPTIONAL)
    _check_files(_S3_NEEDED | _S3_OPTIONAL, found)
    return found


def _slack(environment: Mapping[str, str]) -> dict[str, str] | None:
    """Return the app at Slack; None where not one of its variables is set."""
    found = _set(environment, _SLACK_NEEDED | _SLACK_OPTIONAL)
    if not found:
        return None
    if missing := [name for field, name in _SLACK_NEEDED.items() if field not in found]:
        raise SettingsError(f"Set {', '.join(missing)} as well, or none of Slack's: then it is off.")
    _check_files(_SLACK_NEEDED, found)
    return found


def _redis(environment: Mapping[str, str]) -> dict[str, str] | None:
    """Return what replicas share; None where there is one replica."""
    found = _set(environment, _REDIS)
    if not found:
        return None
    if "url" not in found:
        raise SettingsError(f"Set {_REDIS['url']} as well, or none of Redis's: then there is one replica.")
    if "username" in found and "password_file" not in found:
        raise SettingsError(f"Set {_REDIS['password_file']} as well: a user of Redis has a password.")
    if "ca_file" in found and not found["url"].startswith("rediss"):
        raise SettingsError(f"{_REDIS['url']} must begin with rediss where {_REDIS['ca_file']} is set.")
    _check_files(_REDIS, found)
    return found


def _check_files(names: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Have the files of settings read now: what is wrong is told by the variable, and not by a traceback."""
    for field, path in found.items():
        if field == "ca_file":
            _check(names[field], partial(ssl.create_default_context, cafile=path))
        elif field.endswith("_file"):
            _check(names[field], partial(read_secret, Path(path)))


def _check(name: str, read: Callable[[], object]) -> None:
    try:
        read()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name} cannot be read: {error}.") from error
