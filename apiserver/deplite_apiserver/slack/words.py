"""Text that somebody typed in Slack, as words: Slack's markup undone, quotes understood. Pure.

Phones type “smart quotes” and spaces that do not break, and copied text brings invisible characters along; all of them
mean what the plain ones mean. A quote opens only where a word or a value begins, so an apostrophe is one.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_MARKUP = re.compile(r"<([^<>|\s][^<>|]*)(?:\|([^<>|]*))?>")
_SCHEMES = ("http://", "https://", "mailto:", "tel:")
_DOUBLE = frozenset('"“”„‟')
_SINGLE = frozenset("'‘’‚‛")  # noqa: RUF001 - what phones make of an apostrophe
_ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
"""The only three that Slack makes; `&` last, so that none is undone twice."""


class UnclosedQuoteError(ValueError):
    """A quote opens and does not close."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """One word of a command."""

    text: str
    equals: int | None = None
    """Where its first `=` outside of quotes is."""
    quoted: bool = False
    """Whether it begins with a quote: then it is no option."""

    @property
    def pair(self) -> tuple[str, str] | None:
        """Name and value, if the word is `name=value`."""
        return None if self.equals is None else (self.text[: self.equals], self.text[self.equals + 1 :])


def plain(text: str) -> str:
    """Return what was typed: links, mentions and escapes that Slack makes of text are undone."""
    shown = _MARKUP.sub(_typed, text)
    for escaped, character in _ESCAPES:
        shown = shown.replace(escaped, character)
    return shown


def _typed(found: re.Match[str]) -> str:
    target, label = found[1], found[2]
    if target[0] in "@#!":
        return f"{target[0]}{label.lstrip('@#')}" if label else target[0] + target[1:]
    if not target.startswith(_SCHEMES):
        return found[0]
    typed_so = label is not None and any(target in (scheme + label, f"{scheme}{label}/") for scheme in _SCHEMES)
    return label if typed_so else target.removeprefix("mailto:").removeprefix("tel:")


def words(text: str) -> list[Word]:
    """Return the words of a text that `plain` returned.

    Raises:
        UnclosedQuoteError: a quote opens and does not close.
    """
    return list(_Reader(text).read())


class _Reader:
    """Goes over the text once."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def read(self) -> Iterator[Word]:
        while self._skip_spaces():
            yield self._word()

    def _skip_spaces(self) -> bool:
        while self._at < len(self._text) and (self._text[self._at].isspace() or _invisible(self._text[self._at])):
            self._at += 1
        return self._at < len(self._text)

    def _word(self) -> Word:
        found, equals, opens, quoted = "", None, True, False
        while self._at < len(self._text) and not (character := self._text[self._at]).isspace():
            self._at += 1
            if opens and (quotes := _quotes_of(character)):
                quoted = quoted or not found
                found += self._quoted(quotes)
                opens = False
            elif not _invisible(character):
                opens = character == "=" and equals is None
                if opens:
                    equals = len(found)
                found += character
        return Word(text=found, equals=equals, quoted=quoted)

    def _quoted(self, quotes: frozenset[str]) -> str:
        found = ""
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character in quotes:
                return found
            if character == "\\" and self._text[self._at : self._at + 1] in {*quotes, "\\"}:
                character = self._text[self._at]
                self._at += 1
            found += character
        raise UnclosedQuoteError


def _quotes_of(character: str) -> frozenset[str]:
    if character == "`":
        return frozenset("`")
    return next((quotes for quotes in (_DOUBLE, _SINGLE) if character in quotes), frozenset())


def _invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf"
