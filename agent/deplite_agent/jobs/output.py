"""What steps wrote to `$DEPLITE_OUTPUT`: `key=value` lines, and values of several lines between a word of their own.

url=https://app.example.com
notes<<END-7f3a
first line
second line
END-7f3a
"""

import json
import os
import re
import stat
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deplite_agent.jobs.masking import Masker
from deplite_agent.workflows.model import Output

MAX_FILE = 1024 * 1024
MAX_BYTES = 16 * 1024
MAX_KEYS = 100
_MARK = "… (truncated)"
_KEY = re.compile(r"[^\x00-\x1f\x7f=<]{1,128}")


def read_output(path: Path, declared: tuple[Output, ...], masker: Masker) -> tuple[dict[str, Any], list[str]]:
    """Return the output, and a sentence for each line that is none.

    Args:
        path: the file; it may be gone.
        declared: types; what is not declared is text.
        masker: takes secrets out.
    """
    raw = _read(path)
    too_long = len(raw) > MAX_FILE
    if too_long:
        raw = raw[: raw.rfind(b"\n", 0, MAX_FILE) + 1]  # no half of a line: it may be half of a secret
    # Masked before it is taken apart, for a secret may hold what separates keys and values; and its parts after, for
    # they may be put together otherwise than in the file.
    values, problems = parse_output(masker.mask_bytes(raw).decode("utf-8", "replace"))
    if too_long:
        problems.append(f"$DEPLITE_OUTPUT is longer than {MAX_FILE} bytes: the rest is left out.")
    kinds = {output.name: output.type for output in declared}
    masked = {masker.mask(key): _typed(masker.mask(value), kinds.get(key, "string")) for key, value in values.items()}
    return fit(masked), problems


def parse_output(text: str) -> tuple[dict[str, str], list[str]]:
    """Return keys and values, the last one where a key is there twice, and what is wrong."""
    values: dict[str, str] = {}
    problems: list[str] = []
    lines = iter(enumerate((line.removesuffix("\r") for line in text.split("\n")), 1))
    for number, line in lines:
        if not line.strip():
            continue
        key, separator, rest = _split(line)
        if not separator or not _KEY.fullmatch(key) or (key not in values and len(values) == MAX_KEYS):
            problems.append(f"$DEPLITE_OUTPUT, line {number}: write key=value, or key<<WORD with lines up to WORD.")
        elif separator == "=":
            values[key] = rest
        elif (several := _until(rest, lines)) is not None:
            values[key] = several
        else:
            problems.append(f"$DEPLITE_OUTPUT, line {number}: the word that ends its lines never comes.")
    return values, problems


def _read(path: Path) -> bytes:
    """Return the file's beginning, one byte more than is used.

    A step may have put anything in its place, even something that never ends.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with open(descriptor, "rb") as file:
        return file.read(MAX_FILE + 1)


def fit(output: Mapping[str, Any]) -> dict[str, Any]:
    """Return the output in at most 16 KiB of JSON: its longest texts are cut, and marked as cut."""
    fitting = dict(output)
    while (size := _size(fitting)) > MAX_BYTES:
        longest = max(fitting, key=lambda key: _size(fitting[key]))
        value = fitting[longest]
        text = value.removesuffix(_MARK) if isinstance(value, str) else ""
        if len(text) < 32:
            del fitting[longest]
            continue
        room = MAX_BYTES - (size - _size(value))
        # By half at most, then the longest is another one, should there be several.
        fitting[longest] = text[: max(_fitting(text, room), len(text) // 2)] + _MARK
    return fitting


def _fitting(text: str, room: int) -> int:
    """Return how many characters fit with the mark behind them; a character has one to six bytes in JSON."""
    return bisect_right(range(len(text)), room, key=lambda length: _size(text[:length] + _MARK)) - 1


def _split(line: str) -> tuple[str, str, str]:
    for index, char in enumerate(line):
        if char == "=":
            return line[:index], "=", line[index + 1 :]
        if line.startswith("<<", index):
            return line[:index], "<<", line[index + 2 :]
    return line, "", ""


def _until(word: str, lines: Iterator[tuple[int, str]]) -> str | None:
    found: list[str] = []
    for _, line in lines:
        if line == word:
            return "\n".join(found)
        found.append(line)
    return None


def _typed(text: str, kind: str) -> Any:
    if kind == "boolean" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    if kind == "number" and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", text.strip()):
        return float(text) if "." in text else int(text)
    return text


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
