"""What can go wrong with an image; each message is one line that says where, and what to do.

LocalError (of deplite.local)
└── ImageError           an image cannot be made
    └── DockerfileError  a line of a Dockerfile is not one that this reader carries out
"""

from pathlib import Path

from deplite.local.errors import LocalError


class ImageError(LocalError):
    """An image cannot be made; nothing of the attempt is kept."""


class DockerfileError(ImageError):
    """A line that is wrong, or that Docker knows and we do not.

    Args:
        path: of the file.
        line: its number, from 1.
        problem: what is wrong, in a few words.
    """

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")
