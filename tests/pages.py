"""What a page tells its reader to type, so that the tests type just that."""

import re


def blocks(text: str, heading: str, language: str) -> list[str]:
    """Return the blocks of a language that a section has, before the next heading of any level."""
    (section,) = re.findall(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", text, re.MULTILINE | re.DOTALL)
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found, f"no block of {language} under {heading}"
    return found
