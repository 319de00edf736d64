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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deplite_agent.workflows.model import Output

MAX_FILE = 1024 * 1024
MAX_BYTES = 16 * 1024
MAX_KEYS = 100
_MARK = "… (truncated)"
_KEY = re.compile(r"[^\x00-\x1f\x7f=<]{1,128}")


def read_output(
    path: Path, declared: tuple[Output, ...], mask: Callable[[str], str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the output, and a sentence for each line that is none.

    Args:
        path: the file; it may be gone.
        declared: types; what is not declared is text.
        mask: takes secrets out of a text.
    """
    text = _read(path)
    values, problems = parse_output(text)
    kinds = {output.name: output.type for output in declared}
    masked = {mask(key): _typed(mask(value), kinds.get(key, "string")) for key, value in values.items()}
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
        else:
            values[key] = _until(rest, lines)
    return values, problems


def _read(path: Path) -> str:
    """Return the file's text; a step may have put anything in its place, even something that never ends."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        return file.read(MAX_FILE).decode("utf-8", "replace") if stat.S_ISREG(os.fstat(descriptor).st_mode) else ""


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
        # At least a byte a character goes; JSON's escapes may make it more.
        keep = max(len(text) - max(size - MAX_BYTES + len(_MARK.encode()), len(text) // 8), 16)
        fitting[longest] = text[:keep] + _MARK
    return fitting


def _split(line: str) -> tuple[str, str, str]:
    for index, char in enumerate(line):
        if char == "=":
            return line[:index], "=", line[index + 1 :]
        if line.startswith("<<", index):
            return line[:index], "<<", line[index + 2 :]
    return line, "", ""


def _until(word: str, lines: Any) -> str:
    found: list[str] = []
    for _, line in lines:
        if line == word:
            break
        found.append(line)
    return "\n".join(found)


def _typed(text: str, kind: str) -> Any:
    if kind == "boolean" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    if kind == "number" and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", text.strip()):
        return float(text) if "." in text else int(text)
    return text


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
