"""What can go wrong on one machine; each message is one sentence that says what to do next.

LocalError
├── MissingError     a program, package or amount of disk that we need is not there
├── BuildError       the control plane could not be built
└── StartError       a program ended, or did not get ready, instead of starting
"""

from deplite.errors import DepliteError


class LocalError(DepliteError):
    """Something on this machine is missing, taken or broken."""


class MissingError(LocalError):
    """A program, a package or disk space that is needed is not there."""


class BuildError(LocalError):
    """The build of the control plane did not end well; the next try starts again cleanly."""


class StartError(LocalError):
    """A program ended, or was not ready in time, instead of starting."""
