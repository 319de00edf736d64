"""What a downloaded file may be called and of which type it may be, whatever its object says. Pure."""

import re
import unicodedata

from deplite_apiserver.files.schemas import CONTENT_TYPE_PATTERN, DEFAULT_CONTENT_TYPE
from deplite_apiserver.files.view import FileView

_SEPARATORS = re.compile(r"[/\\]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of what does not show, or turns other letters around."""


def download_name(file: FileView) -> str:
    """Return the name to save a file under: no folder, nothing invisible, and never empty."""
    last = _SEPARATORS.split(file.filename or "")[-1]
    plain = "".join(letter for letter in last if unicodedata.category(letter) not in _INVISIBLE).strip()
    return plain if plain.strip(".") else file.id


def download_type(file: FileView) -> str:
    """Return the media type: an object that was made with kubectl may say anything."""
    said = file.content_type or ""
    return said if re.fullmatch(CONTENT_TYPE_PATTERN, said) else DEFAULT_CONTENT_TYPE
