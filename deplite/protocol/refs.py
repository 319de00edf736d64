"""Git refs: the grammar of `git check-ref-format --allow-onelevel`, and the patterns of `allowedRefs`."""

import re
from collections.abc import Sequence
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
    return any(_pattern(pattern.removeprefix("refs/heads/")).fullmatch(short) for pattern in allowed)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts), re.DOTALL)
