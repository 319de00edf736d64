"""Slack's blocks, as cards and the home tab use them. Pure; texts are made safe before they come here (`mrkdwn`)."""

from collections.abc import Sequence
from typing import Any

from deplite_apiserver.slack.mrkdwn import plain

Block = dict[str, Any]
HEADER_LIMIT, BUTTON_LIMIT = 150, 75
"""UTF-16 units; Slack takes no more."""


def header(text: str) -> Block:
    """Return a heading of plain text."""
    return {"type": "header", "text": plain_text(text, HEADER_LIMIT)}


def section(text: str) -> Block:
    """Return a paragraph of mrkdwn, of 3000 characters at most."""
    return {"type": "section", "text": mrkdwn(text)}


def fields(texts: Sequence[str]) -> Block:
    """Return up to ten short texts of mrkdwn side by side, of 2000 characters each at most."""
    return {"type": "section", "fields": [mrkdwn(text) for text in texts]}


def footnote(text: str) -> Block:
    """Return a small line of mrkdwn."""
    return {"type": "context", "elements": [mrkdwn(text)]}


def button(text: str, action_id: str, value: str) -> Block:
    """Return a button, for a block of `actions`."""
    return {"type": "button", "text": plain_text(text, BUTTON_LIMIT), "action_id": action_id, "value": value}


def actions(*buttons: Block) -> Block:
    """Return a row of buttons."""
    return {"type": "actions", "elements": list(buttons)}


def confirmed(button: Block, *, title: str, text: str, confirm: str, deny: str) -> Block:
    """Return a button in red that asks before it does anything."""
    asked = {
        "title": plain_text(title, 100),
        "text": plain_text(text, 300),
        "confirm": plain_text(confirm, 30),
        "deny": plain_text(deny, 30),
    }
    return button | {"style": "danger", "confirm": asked}


def mrkdwn(text: str) -> Block:
    """Return a text object in which Slack looks for no addresses, channels or names of its own accord."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def plain_text(text: str, limit: int) -> Block:
    """Return a text object that knows no formatting but emoji."""
    return {"type": "plain_text", "text": plain(text, limit), "emoji": True}
