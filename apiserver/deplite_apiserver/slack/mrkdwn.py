"""Text from outside, made safe to be shown in Slack. Pure.

What people, agents and workflows say goes through `code`, `code_block`, `sentence` or `plain`, and nothing else: no
mention, link or formatting comes out of it, nothing that a terminal obeys, and no secret whose shape we know.
Lengths are counted in UTF-16 units after escaping, which is never less than what Slack counts.
"""

import re
import unicodedata
from collections.abc import Callable

ELLIPSIS = "…"
MASK = "***"
_LOOKED_AT = 65_536
"""Characters of a text that are looked at: far more than any of it that is shown."""

_ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x90\x98\x9d-\x9f][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]?"
)
_JOINERS = frozenset("\u200c\u200d")
"""Invisible characters that words and emoji need."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BACKTICK = "\u02cb"
_MARKS = {"*": "\u2217", "_": "\uff3f", "~": "\u223c", "`": _BACKTICK}
"""What looks alike and formats nothing."""
_MARK = re.compile(r"`|(?<![^\W_])[*_~]|[*_~](?![^\W_])")
"""What may begin or end formatting; within a word, as in `my_branch`, it does not."""
_QUOTE = "\u203a"
"""A `>` at the beginning would make a quotation, also as an entity."""
_SECRETS = (
    re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?<![A-Za-z0-9])(?:tk|enr|lnk)_[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?<![A-Za-z0-9])(?:xox[a-z]|xapp|xwfp)[-.][A-Za-z0-9.-]{6,}"),
    re.compile(r"(?<![A-Za-z0-9])(?:gh[a-z]_[A-Za-z0-9]{12,}|github_pat_\w{12,}|glpat-[A-Za-z0-9_-]{12,})"),
    re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{12,}"),
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
)
_BEARER = re.compile(r"\b(bearer|basic)(\s+)(?=\S{8})\S+", re.IGNORECASE)
_USERINFO = re.compile(r"(://)[^\s/@]{1,512}@")


def plain(text: str, limit: int) -> str:
    """Return one line for a `plain_text` object, which knows no formatting and needs no escaping.

    Args:
        text: whatever somebody said.
        limit: the most UTF-16 units.
    """
    return _cut(_one_line(masked(cleaned(text))), limit, _same)


def sentence(text: str, limit: int) -> str:
    """Return one line of mrkdwn that reads as it was written, but formats, links and mentions nothing.

    Args:
        text: whatever somebody said.
        limit: the most UTF-16 units, entities counted as they are written.
    """
    marked = _MARK.sub(lambda found: _MARKS[found.group()], _one_line(masked(cleaned(text))))
    marked = _QUOTE + marked[1:] if marked.startswith(">") else marked
    return _cut(marked, limit, escaped)


def code(text: str, limit: int) -> str:
    """Return a code span that its text cannot end; empty text is shown as a dash.

    Args:
        text: whatever somebody said.
        limit: the most UTF-16 units, with the marks around it.
    """
    inner = _one_line(masked(cleaned(text))).replace("`", _BACKTICK)
    return f"`{_cut(inner, limit - 2, escaped) or '-'}`"


def code_block(text: str, limit: int) -> str:
    """Return a code block of several lines that its text cannot end.

    Args:
        text: whatever somebody said.
        limit: the most UTF-16 units, with the marks around it.
    """
    inner = masked(cleaned(text)).replace("`", _BACKTICK).strip("\n")
    return f"```\n{_cut(inner, limit - 8, escaped) or '-'}\n```"


def link(url: str, label: str) -> str:
    """Return a link to an address of ours; the label is ours, too."""
    return f"<{escaped(url).replace('|', '%7C')}|{label}>"


def escaped(text: str) -> str:
    """Return text with the three characters that Slack gives a meaning as entities."""
    return "".join(_ENTITIES.get(character, character) for character in text)


def cleaned(text: str) -> str:
    """Return text without terminal sequences, controls (but tabs and newlines), lone surrogates and invisible signs."""
    lines = _ANSI.sub("", text[:_LOOKED_AT]).replace("\r\n", "\n")
    lines = re.sub(r"[\r\x0b\x0c\x85\u2028\u2029]", "\n", lines)
    return "".join(character for character in lines if _shown(character))


def masked(text: str) -> str:
    """Return text in which everything that has the shape of a secret is `***`."""
    for shape in _SECRETS:
        text = shape.sub(MASK, text)
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    return _USERINFO.sub(rf"\1{MASK}@", text)


def units(text: str) -> int:
    """Return the length as UTF-16 counts it."""
    return len(text) + sum(character > "\uffff" for character in text)


def _shown(character: str) -> bool:
    kind = unicodedata.category(character)
    return character in "\n\t" or character in _JOINERS or kind not in {"Cc", "Cf", "Cs"}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _same(text: str) -> str:
    return text


def _cut(text: str, limit: int, written: Callable[[str], str]) -> str:
    """Return as much of a text as has room once it is written, with an ellipsis where some is left out."""
    if units(written(text)) <= limit:
        return written(text)
    kept: list[str] = []
    room = limit - len(ELLIPSIS)
    for character in text:
        one = written(character)
        room -= units(one)
        if room < 0:
            break
        kept.append(one)
    return "".join(kept) + ELLIPSIS if limit > 0 else ""
