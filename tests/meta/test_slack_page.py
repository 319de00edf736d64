"""What docs/slack.md tells people to paste agrees with Slack's schema of manifests, and with what we serve."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from deplite_apiserver.slack.app import SCOPES
from deplite_apiserver.slack.settings import SLACK_URL

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "slack.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()

KNOWN = {
    "_metadata": {"major_version", "minor_version"},
    "display_information": {"name", "description", "long_description", "background_color"},
    "features": {"app_home", "bot_user", "slash_commands", "shortcuts"},
    "features.app_home": {"home_tab_enabled", "messages_tab_enabled", "messages_tab_read_only_enabled"},
    "features.bot_user": {"display_name", "always_online"},
    "oauth_config": {"redirect_urls", "scopes"},
    "oauth_config.scopes": {"bot", "user"},
    "settings": {
        "event_subscriptions",
        "interactivity",
        "org_deploy_enabled",
        "socket_mode_enabled",
        "token_rotation_enabled",
    },
    "settings.event_subscriptions": {"request_url", "bot_events", "user_events"},
    "settings.interactivity": {"is_enabled", "request_url", "message_menu_options_url"},
}
"""The parts of Slack's schema that an app like ours may use (docs.slack.dev/reference/app-manifest)."""


def manifest() -> dict[str, Any]:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (found,) = (yaml.safe_load(block) for block in blocks if "display_information" in block)
    assert isinstance(found, dict)
    return found


def part(path: str) -> Any:
    value: Any = manifest()
    for name in path.split("."):
        value = value[name]
    return value


def test_it_uses_nothing_that_slack_does_not_know() -> None:
    assert manifest().keys() <= {path.split(".")[0] for path in KNOWN}
    assert {path: set(part(path)) - names for path, names in KNOWN.items()} == {path: set() for path in KNOWN}


def test_its_texts_are_as_long_as_slack_takes_them() -> None:
    about, (command,) = part("display_information"), part("features.slash_commands")
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert re.fullmatch(r"#[0-9a-fA-F]{6}", about["background_color"])
    assert command.keys() == {"command", "url", "description", "usage_hint", "should_escape"}
    assert len(command["description"]) <= 2000
    assert len(command["usage_hint"]) <= 1000


def test_it_grants_what_the_install_link_asks_for() -> None:
    assert sorted(part("oauth_config.scopes.bot")) == sorted(SCOPES)


def test_its_addresses_are_ours() -> None:
    (command,) = part("features.slash_commands")
    assert urlsplit(command["url"]).path == "/slack/commands"
    assert urlsplit(part("settings.interactivity.request_url")).path == "/slack/commands"
    assert urlsplit(part("settings.event_subscriptions.request_url")).path == "/slack/events"
    (back,) = part("oauth_config.redirect_urls")
    assert urlsplit(back).path == "/slack/oauth/callback"
    for route in ("POST /slack/commands", "POST /slack/events", "GET /slack/oauth/callback"):
        method, path = route.split()
        assert f"### {method} `{path}`" in API, route


def test_it_asks_for_the_events_that_are_understood() -> None:
    source = (ROOT / "apiserver" / "deplite_apiserver" / "slack" / "events.py").read_text()
    events = part("settings.event_subscriptions.bot_events")
    assert set(events) == {"app_home_opened", "app_mention", "app_uninstalled", "tokens_revoked"}
    assert [event for event in events if f'"{event}"' not in source] == []


def test_nothing_is_on_that_we_do_not_support() -> None:
    settings = part("settings")
    assert not any(settings[name] for name in ("org_deploy_enabled", "socket_mode_enabled", "token_rotation_enabled"))


def test_every_setting_is_told() -> None:
    read = set(re.findall(r"DEPLITE_SLACK_[A-Z_]+", (ROOT / "docs" / "architecture.md").read_text()))
    assert read
    assert read - set(re.findall(r"DEPLITE_SLACK_[A-Z_]+", PAGE)) == set()
    assert SLACK_URL in PAGE
