"""Copies the example workflows and their secrets into the data folder, where they may be changed freely."""

import os
import shutil
from pathlib import Path

from deplite import assets
from deplite.local.layout import Layout


def copy_examples(layout: Layout) -> None:
    """Copy what is not there yet; a file that was changed or added stays."""
    _copy_missing(assets.example_workflows(), layout.workflows, "*.yaml")
    _copy_missing(assets.example_secrets(), layout.secrets, "*")


def _copy_missing(source: Path, target: Path, pattern: str) -> None:
    for path in sorted(source.glob(pattern)):
        copy = target / path.name
        if path.is_file() and not copy.exists():
            # Through a name of its own: a copy that is cut short is never taken for a whole one.
            partial = target / f".{path.name}.part"
            partial.touch(mode=0o600)
            shutil.copyfile(path, partial)
            os.replace(partial, copy)
