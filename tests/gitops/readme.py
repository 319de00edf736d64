"""What the README of the example tells its reader to type, so that the tests type just that."""

from typing import Any

import yaml

from tests.gitops.shop import ROOT
from tests.pages import blocks

TEXT = (ROOT / "examples" / "gitops" / "README.md").read_text()


def typed(heading: str, number: int = 0) -> str:
    """Return a block of commands of a section, counted from 0."""
    return blocks(TEXT, heading, "sh")[number]


def typed_without_github(heading: str) -> str:
    """Return the commands of a section but for those that tell GitHub something, which is not here."""
    return "\n".join(line for line in typed(heading).splitlines() if not line.startswith("gh "))


def workflow(heading: str) -> Any:
    """Return the GitHub workflow of a section."""
    return yaml.safe_load(blocks(TEXT, heading, "yaml")[0])
