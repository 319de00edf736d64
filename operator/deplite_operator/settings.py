"""Every environment variable that the operator reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from deplite.errors import DepliteError
from deplite.log import Form, Level

Word = TypeVar("Word", bound=str)
PullPolicy = Literal["Always", "IfNotPresent", "Never"]


class SettingsError(DepliteError):
    """An environment variable is missing or wrong."""


@dataclass(frozen=True, kw_only=True)
class LeaseTimes:
    """Seconds: what a renewal is good for, within which one must succeed, and between tries."""

    duration: float = 15
    renew: float = 10
    retry: float = 2


@dataclass(frozen=True, kw_only=True)
class AgentPods:
    """What the release says of the pods of all pools."""

    image: str
    """`DEPLITE_AGENT_IMAGE`: of pools that name none."""
    url: str
    """`DEPLITE_AGENT_URL`: where the agents reach the server, without a slash at the end."""
    pull_policy: PullPolicy = "IfNotPresent"
    """`DEPLITE_AGENT_IMAGE_PULL_POLICY`: of pools that say none."""
    fixed_ids: bool = True
    """`DEPLITE_AGENT_FIXED_IDS`: whether we choose user and groups; not where the platform does."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator was started with; `KUBECONFIG` is read where the connection is made."""

    system_namespace: str = "deplite-system"
    """`DEPLITE_SYSTEM_NAMESPACE`: where the Lease is."""
    public_url: str = ""
    """`DEPLITE_PUBLIC_URL`, without a slash at the end: what webhook URLs begin with."""
    probe_host: str = "127.0.0.1"
    probe_port: int = 0
    """`DEPLITE_PROBE_LISTEN` (`host:port`): where `/livez` and `/readyz` are; port 0 is any free one."""
    metrics_listen: tuple[str, int] | None = None
    """`DEPLITE_METRICS_LISTEN` (`host:port`): where `/metrics` is; None: nowhere."""
    lease: LeaseTimes = LeaseTimes()
    """`DEPLITE_LEASE_SECONDS` (`duration/renew/retry`), e.g. `15/10/2`."""
    log_format: Form = "json"
    """`DEPLITE_LOG_FORMAT`: `json` or `text`."""
    log_level: Level = "info"
    """`DEPLITE_LOG_LEVEL`: the least that is said; `debug`, `info`, `warning` or `error`."""
    resync_seconds: float = 60.0
    """`DEPLITE_RESYNC_SECONDS`: everything is read and judged anew this often, whatever the watches said."""
    agents: AgentPods | None = None
    """None: there are no nodes, and no pool gets pods."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: one of them is missing or malformed; the message names it.
        """
        public_url = environment.get("DEPLITE_PUBLIC_URL", "").rstrip("/")
        if not public_url.startswith(("http://", "https://")):
            raise SettingsError("DEPLITE_PUBLIC_URL must be the http(s) address of the Deplite API.")
        host, port = _address("DEPLITE_PROBE_LISTEN", environment.get("DEPLITE_PROBE_LISTEN", "127.0.0.1:0"))
        metrics = environment.get("DEPLITE_METRICS_LISTEN")
        return cls(
            system_namespace=environment.get("DEPLITE_SYSTEM_NAMESPACE") or cls.system_namespace,
            public_url=public_url,
            probe_host=host,
            probe_port=port,
            metrics_listen=_address("DEPLITE_METRICS_LISTEN", metrics) if metrics else None,
            lease=_lease(environment.get("DEPLITE_LEASE_SECONDS", "15/10/2")),
            log_format=_word(environment, "DEPLITE_LOG_FORMAT", cls.log_format, get_args(Form)),
            log_level=_word(environment, "DEPLITE_LOG_LEVEL", cls.log_level, get_args(Level)),
            resync_seconds=_resync(environment.get("DEPLITE_RESYNC_SECONDS", "60")),
            agents=_agents(environment),
        )


def _agents(environment: Mapping[str, str]) -> AgentPods | None:
    image, url = environment.get("DEPLITE_AGENT_IMAGE"), environment.get("DEPLITE_AGENT_URL", "").rstrip("/")
    if not image and not url:
        return None
    if not image:
        raise SettingsError("DEPLITE_AGENT_IMAGE must be set where DEPLITE_AGENT_URL is.")
    if not url.startswith(("http://", "https://")):
        raise SettingsError("DEPLITE_AGENT_URL must be the http(s) address under which agent pods reach the API.")
    pulled = _word(environment, "DEPLITE_AGENT_IMAGE_PULL_POLICY", AgentPods.pull_policy, get_args(PullPolicy))
    fixed = _word(environment, "DEPLITE_AGENT_FIXED_IDS", "true", ("true", "false"))
    return AgentPods(image=image, url=url, pull_policy=pulled, fixed_ids=fixed == "true")


def _address(variable: str, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise SettingsError(f"{variable} must be host:port, e.g. 127.0.0.1:8081.")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - `:8081` means every address, as the kubelet needs


def _word(environment: Mapping[str, str], variable: str, default: Word, words: tuple[Word, ...]) -> Word:
    text = environment.get(variable) or default
    if (found := next((word for word in words if word == text), None)) is None:
        raise SettingsError(f"{variable} must be one of {', '.join(words)}.")
    return found


def _lease(text: str) -> LeaseTimes:
    try:
        duration, renew, retry = (float(part) for part in text.split("/"))
    except ValueError:
        duration = renew = retry = 0.0
    if not duration > renew > retry > 0:
        raise SettingsError("DEPLITE_LEASE_SECONDS must be duration/renew/retry with falling seconds, e.g. 15/10/2.")
    return LeaseTimes(duration=duration, renew=renew, retry=retry)


def _resync(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 3600:
        raise SettingsError("DEPLITE_RESYNC_SECONDS must be a number from 0.5 to 3600.")
    return seconds
