"""Git refs: the grammar of `git check-ref-format --allow-onelevel`, and the patterns of `allowedRefs`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from deplite.protocol.errors import InvalidRefError

MAX_REF_LENGTH = 255
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(/|$)")


def check_ref(ref: str) -> str:
    """Return the ref if it is one.

    Raises:
        InvalidRefError: it breaks git's grammar, starts with `-`, or is longer than 255 characters.
    """
    wrong = (
        not ref
        or len(ref) > MAX_REF_LENGTH
        or ref[0] in "-./"
        or ref[-1] in "./"
        or ref == "@"
        or _FORBIDDEN.search(ref) is not None
    )
    if wrong:
        raise InvalidRefError("ref is not a valid git ref; send a branch, a tag or a full ref such as refs/heads/main.")
    return ref


def ref_allowed(ref: str | None, allowed: Sequence[str]) -> bool:
    """Whether a ref matches one of the patterns; no patterns allow any ref, and no ref matches no pattern.

    `*` stops at `/`, `**` crosses it; `refs/heads/` is stripped from both sides.
    """
    if not allowed:
        return True
    if ref is None:
        return False
    short = ref.removeprefix("refs/heads/")
    return any(_glob(pattern.removeprefix("refs/heads/")).matches(short) for pattern in allowed)


@dataclass(frozen=True, kw_only=True)
class _Glob:
    """A pattern as a bit set automaton: bit i says that the first i parts of the pattern have been matched.

    Not a regular expression: six stars in one took 18 seconds on a ref of 120 characters, and a pattern is somebody
    else's program. This takes a few operations for each character, whatever the pattern.
    """

    letters: Mapping[str, int]
    """For each letter, the parts that are this letter."""
    stars: int
    deep: int
    """The parts that are `*` or `**`, and those that are `**`."""
    length: int

    def matches(self, text: str) -> bool:
        states = self._past_stars(1)
        for letter in text:
            waiting = states & (self.deep if letter == "/" else self.stars)
            states = self._past_stars(waiting | (states & self.letters.get(letter, 0)) << 1)
        return bool(states >> self.length & 1)

    def _past_stars(self, states: int) -> int:
        """A star may match nothing; two never stand side by side."""
        return states | (states & self.stars) << 1


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> _Glob:
    parts = re.findall(r"\*+|[^*]", pattern, re.DOTALL)
    letters: dict[str, int] = {}
    stars = deep = 0
    for position, part in enumerate(parts):
        if part[0] == "*":
            stars |= 1 << position
            deep |= (len(part) > 1) << position
        else:
            letters[part] = letters.get(part, 0) | 1 << position
    return _Glob(letters=letters, stars=stars, deep=deep, length=len(parts))
