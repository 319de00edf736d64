"""Bot tokens, read from their Secrets by name and remembered for a minute; nowhere else do they rest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from deplite.kube.errors import ForbiddenError, NotFoundError
from deplite.kube.secret import Secret
from deplite.resources.slackinstallation import TOKEN_KEY, SlackInstallation
from deplite_apiserver.slack.errors import SlackTokenError

KEEP_SECONDS = 60.0


class Secrets(Protocol):
    """What is asked of the Kubernetes API."""

    async def get_secret(self, namespace: str, name: str) -> Secret:
        """Return one Secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BotToken:
    """A bot token, and the version of the Secret that held it."""

    text: str = field(repr=False)
    version: str
    read_at: float


class BotTokens:
    """The bot tokens of all installations."""

    def __init__(self, secrets: Secrets, monotonic: Callable[[], float]) -> None:
        self._secrets, self._monotonic = secrets, monotonic
        self._known: dict[tuple[str, str], BotToken] = {}

    async def of(self, installation: SlackInstallation) -> BotToken:
        """Return the token of an installation, not older than a minute.

        Raises:
            SlackTokenError: `secret_missing`, `secrets_forbidden` or `token_missing`.
            KubeError: the Secret cannot be read for the moment.
        """
        known = self._known.get(_key(installation))
        if known is not None and self._monotonic() - known.read_at < KEEP_SECONDS:
            return known
        return await self.read(installation)

    async def read(self, installation: SlackInstallation) -> BotToken:
        """Return the token as its Secret has it now; errors as `of`."""
        self.forget(installation)
        try:
            secret = await self._secrets.get_secret(*_key(installation))
        except NotFoundError:
            raise SlackTokenError("secret_missing") from None
        except ForbiddenError:
            raise SlackTokenError("secrets_forbidden") from None
        text = secret.data.get(TOKEN_KEY, b"").decode("ascii", "replace").strip()
        if not text or not (text.isascii() and text.isprintable()):
            raise SlackTokenError("token_missing")
        self._prune()
        found = BotToken(text=text, version=secret.version, read_at=self._monotonic())
        self._known[_key(installation)] = found
        return found

    def forget(self, installation: SlackInstallation) -> None:
        """Read the token anew at the next use."""
        self._known.pop(_key(installation), None)

    def _prune(self) -> None:
        horizon = self._monotonic() - KEEP_SECONDS
        for key in [key for key, known in self._known.items() if known.read_at < horizon]:
            del self._known[key]


def _key(installation: SlackInstallation) -> tuple[str, str]:
    return installation.namespace, installation.spec.secret_name
