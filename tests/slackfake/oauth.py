"""Installing the app: what `authorize` does with a browser, and the exchange of its code. The server's lock is held."""

import base64
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.slackfake.workspace import Code, Slack, Team


@dataclass(kw_only=True)
class Person:
    """Who sits at the browser, and what they do with the page that asks."""

    team: Team
    user: str = "U0ANN"
    denies: bool = False
    org_wide: bool = False
    """Whether they install for all workspaces of their Enterprise organization."""


def authorize(slack: Slack, query: dict[str, str], person: Person) -> tuple[int, str]:
    """Return the status and the page, or for 302 the address to go to."""
    redirect = query.get("redirect_uri", "")
    if query.get("client_id") != slack.app.client_id:
        return 200, "Something went wrong: invalid client_id parameter"
    if not query.get("scope"):
        return 200, "Something went wrong: no scopes"
    if slack.app.redirect_urls and not redirect.startswith(tuple(slack.app.redirect_urls)):
        return 200, "redirect_uri did not match any configured URIs"
    state = query.get("state", "")
    if person.denies:
        return 302, f"{redirect}?{urlencode({'error': 'access_denied', 'state': state})}"
    code = f"{secrets.randbelow(10**10)}.{secrets.token_hex(32)}"
    slack.codes[code] = Code(
        team=person.team,
        user=person.user,
        scopes=query["scope"],
        redirect_uri=redirect,
        org_wide=person.org_wide,
    )
    return 302, f"{redirect}?{urlencode({'code': code, 'state': state})}"


def exchange(slack: Slack, authorization: str, form: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of oauth.v2.access."""
    given = _client(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
    if given[0] != slack.app.client_id:
        return _refused("invalid_client_id")
    if given[1] != slack.app.client_secret:
        return _refused("bad_client_secret")
    code = slack.codes.pop(form.get("code", ""), None)
    if code is None:
        return _refused("invalid_code")
    if form.get("redirect_uri", "") != code.redirect_uri:
        return _refused("bad_redirect_uri")
    token, team = slack.grant(code), code.team
    enterprise = {"id": team.enterprise, "name": "Acme Holding"} if team.enterprise else None
    return {
        "ok": True,
        "app_id": slack.app.id,
        "authed_user": {"id": code.user},
        "scope": ",".join(sorted(token.scopes)),
        "token_type": "bot",
        "access_token": token.value,
        "bot_user_id": team.bot_user,
        "team": None if code.org_wide else {"id": team.id, "name": team.name},
        "enterprise": enterprise,
        "is_enterprise_install": code.org_wide,
    }


def _client(authorization: str) -> tuple[str, str] | None:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    client_id, _, secret = base64.b64decode(rest).decode().partition(":")
    return client_id, secret


def _refused(code: str) -> dict[str, Any]:
    return {"ok": False, "error": code}
