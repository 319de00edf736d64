"""Why Slack did not do what was asked. Callers over HTTP never see these: endpoints and workers say what they mean.

SlackError
├── SlackRefusedError          `ok: false`; `code` is Slack's, e.g. `channel_not_found`
│   └── SlackTokenError        the bot token is not (or no longer) good
├── SlackLimitedError          429; `retry_after` seconds
└── SlackUnavailableError      no answer, a time-out, 5xx, or no JSON; `maybe_done` if Slack may have got the request
"""

from deplite.errors import DepliteError

TOKEN_CODES = frozenset(
    {
        "account_inactive",
        "app_uninstalled",
        "invalid_auth",
        "not_authed",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "token_missing",
    }
)
"""Codes of Slack that say that the token is no good; `token_missing` is ours: its Secret holds none."""


class SlackError(DepliteError):
    """Base of this tree; no message holds a token or a text of people's.

    Attributes:
        outcome: the metrics' word for it.
    """

    outcome: str


class SlackRefusedError(SlackError):
    """Slack answered `ok: false`."""

    outcome = "refused"

    def __init__(self, code: str, message: str | None = None) -> None:
        super().__init__(message or f"Slack refused: {code}.")
        self.code = code


class SlackTokenError(SlackRefusedError):
    """Slack does not accept the bot token, or there is none."""


class SlackLimitedError(SlackError):
    """Slack asks to be left alone for a while."""

    outcome = "limited"

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"Slack asks to wait {retry_after:g} s.")
        self.retry_after = retry_after


class SlackUnavailableError(SlackError):
    """Slack did not answer."""

    outcome = "unavailable"

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done
