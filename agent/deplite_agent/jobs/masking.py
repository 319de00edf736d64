"""Takes secrets out of a stream of bytes, in the forms in which programs print them.

A secret that is split over reads is still found: a tail that may be the beginning of one is held back until it is
clear. What is not found is written in docs/workflow-file.md (Masking).
"""

import base64
import html
import json
import re
import shlex
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

MASK = b"***"
MIN_LINE = 6
"""A line of a secret of several lines is masked by itself from so many bytes on."""
MIN_FORM = 4
"""Shorter encodings would be found everywhere."""
FAST_BYTES = 16 * 1024
"""Of all patterns together; from there on the fastest automaton takes gigabytes and minutes to make."""
_SHELL_SPECIAL = re.compile(rb"[^A-Za-z0-9_@%+=:,./\x80-\xff-]")
_IN_DOUBLE_QUOTES = re.compile(rb'[\\"$`]')


def forms(secret: bytes) -> set[bytes]:
    """Return what to look for: the secret, its encodings, and the longer ones of its lines with theirs."""
    if not secret.strip():
        return set()
    found = {secret, *_encodings(secret)}
    lines = re.split(rb"[\r\n]+", secret)
    if len(lines) > 1:
        for line in (one.strip() for one in lines):
            if len(line) >= MIN_LINE:
                found |= {line, *_encodings(line)}
    # Around what a file or a variable holds there is often white space that a program does not print.
    if len(bare := secret.strip()) >= MIN_FORM:
        found |= {bare, *_encodings(bare)}
    return {form for form in found if form.strip()}


def _encodings(secret: bytes) -> Iterator[bytes]:
    every = [*_base64(secret), secret.hex().encode(), secret.hex().upper().encode(), *_texts(secret)]
    yield from (form for form in every if len(form) >= MIN_FORM)


def _base64(secret: bytes) -> Iterator[bytes]:
    """Yield the part of the encoding that does not depend on what stands around, for each of the three alignments."""
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret)
        first = (0, 2, 3)[shift]
        partial = (shift + len(secret)) % 3
        last = len(text) - (0, 3, 2)[partial]
        yield text[first:last]
        yield text[first:last].replace(b"+", b"-").replace(b"/", b"_")


def _texts(secret: bytes) -> Iterator[bytes]:
    percent = quote(secret, safe="")
    yield from (percent.encode(), quote(secret).encode(), quote_plus(secret).encode(), _lower_percent(percent).encode())
    yield _SHELL_SPECIAL.sub(rb"\\\g<0>", secret)  # printf %q
    yield _IN_DOUBLE_QUOTES.sub(rb"\\\g<0>", secret)
    yield secret.replace(b"'", b"''")  # SQL, PowerShell
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    yield from _json(text)
    yield shlex.quote(text).encode()
    yield text.replace("'", "'\\''").encode()
    yield text.encode("unicode_escape").replace(b"'", b"\\'")
    markup = html.escape(text, quote=False)
    for double, single in (("&quot;", "&#x27;"), ("&#34;", "&#39;"), ("&quot;", "&#39;"), ("&quot;", "&apos;")):
        yield markup.replace('"', double).replace("'", single).encode()
    yield markup.encode()


def _json(text: str) -> Iterator[bytes]:
    for ascii_only in (False, True):
        plain = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield plain.encode()
        yield plain.translate({ord(char): f"\\u{ord(char):04x}" for char in "<>&"}).encode()
        yield plain.replace("/", "\\/").encode()


def _lower_percent(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


class Masker:
    """Masks one stream; `add` may come at any time and counts for what follows."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        self._patterns: list[bytes] = []
        self._finder: BytesAhoCorasick | None = None
        self._starts: BytesAhoCorasick | None = None
        self._longest = 0
        self._held = b""
        self._covered = 0
        """Bytes at the beginning of what is held that belong to a secret whose mask is already out."""
        self._open = False
        """Whether a mask was the last thing that went out: a secret that follows at once becomes part of it."""
        self.add(*secrets)

    def add(self, *secrets: bytes) -> None:
        """Look for these too."""
        found = set(self._patterns).union(*map(forms, filter(None, secrets)))
        if len(found) == len(self._patterns):
            return
        self._patterns = sorted(found)
        self._longest = max(map(len, found))
        compact = Implementation.ContiguousNFA if sum(map(len, found)) > FAST_BYTES else None
        self._finder = BytesAhoCorasick(self._patterns, matchkind=MatchKind.Standard, implementation=compact)
        # Where a pattern may begin: by its first bytes, so that few places of a tail need a closer look.
        beginnings = sorted({pattern[:3] for pattern in found})
        self._starts = BytesAhoCorasick(beginnings, matchkind=MatchKind.Standard)

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown now."""
        if self._finder is None:
            return data
        buffer = self._held + data
        cut = len(buffer) - self._undecided(buffer)
        return self._emit(buffer, cut)

    def flush(self) -> bytes:
        """Return the rest: the stream has ended."""
        if self._finder is None:
            return b""
        rest = self._emit(self._held, len(self._held))
        self._open = False
        return rest

    def mask(self, text: str) -> str:
        """Return a whole text with its secrets masked; the stream is not touched."""
        return self.mask_bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def mask_bytes(self, data: bytes) -> bytes:
        """Return bytes that are whole with their secrets masked; the stream is not touched."""
        other = Masker()
        other._patterns, other._longest = self._patterns, self._longest
        other._finder, other._starts = self._finder, self._starts
        return other.feed(data) + other.flush()

    def _emit(self, buffer: bytes, cut: int) -> bytes:
        if cut == 0:
            self._held = buffer
            return b""
        out: list[bytes] = []
        position = 0
        for start, end in self._intervals(buffer):
            if start >= cut:
                break
            out.append(buffer[position:start])
            if start > 0 or not self._open:
                out.append(MASK)
            position = end
        covered = max(0, position - cut)
        if position < cut:
            out.append(buffer[position:cut])
        self._held, self._covered, self._open = buffer[cut:], covered, position >= cut
        return b"".join(out)

    def _intervals(self, buffer: bytes) -> Iterator[tuple[int, int]]:
        """Yield the places of secrets, joined where they touch; what is covered counts as one."""
        assert self._finder is not None
        found = sorted((start, end) for _, start, end in self._finder.find_matches_as_indexes(buffer, overlapping=True))
        if self._covered:
            found.insert(0, (0, self._covered))
        if not found:
            return
        start, end = found[0]
        for next_start, next_end in found[1:]:
            if next_start <= end:
                end = max(end, next_end)
            else:
                yield start, end
                start, end = next_start, next_end
        yield start, end

    def _undecided(self, buffer: bytes) -> int:
        """Return the length of the longest end of the buffer that is the beginning of a pattern."""
        assert self._starts is not None
        offset = max(0, len(buffer) - self._longest + 1)
        tail = buffer[offset:]
        begins = {int(start) for _, start, _ in self._starts.find_matches_as_indexes(tail, overlapping=True)}
        begins.update(range(max(0, len(tail) - 2), len(tail)))  # too short to have those first bytes
        for start in sorted(begins):
            if self._begins_pattern(tail[start:]):
                return len(tail) - start
        return 0

    def _begins_pattern(self, end: bytes) -> bool:
        """Whether a pattern begins with these bytes and goes on after them."""
        index = bisect_left(self._patterns, end)
        while index < len(self._patterns) and self._patterns[index].startswith(end):
            if len(self._patterns[index]) > len(end):
                return True
            index += 1
        return False
