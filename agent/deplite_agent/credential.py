"""What this machine enrols with: a code from the environment, or whatever a file holds when it is needed."""

from dataclasses import dataclass, field
from pathlib import Path

from deplite_agent.errors import EnrollmentError

_MAX_BYTES = 8 * 1024


@dataclass(frozen=True, kw_only=True)
class Credential:
    """An enrolment code, or a token of a pod; never shown in a representation."""

    code: str | None = field(default=None, repr=False)
    file: Path | None = None
    """Read at each try: the kubelet, or whoever put it there, renews it."""

    @property
    def renewed(self) -> bool:
        """Whether the next try may have another one."""
        return self.file is not None

    @property
    def variable(self) -> str:
        """Where a person sets it."""
        return "DEPLITE_TOKEN_FILE" if self.file is not None else "DEPLITE_TOKEN"

    def read(self) -> str:
        """Return its text.

        Raises:
            EnrollmentError: there is none, or the file cannot be read or holds none.
        """
        if self.file is not None:
            return _token_in(self.file)
        if self.code is None:
            message = "This machine has not enrolled: set DEPLITE_TOKEN to an enrolment code (enr_…)."
            raise EnrollmentError(message)
        return self.code


def _token_in(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        message = (
            f"{path} cannot be read ({error.strerror}); DEPLITE_TOKEN_FILE names the file with the enrolment token."
        )
        raise EnrollmentError(message) from None
    text = raw.strip()
    if not text or len(raw) > _MAX_BYTES or not all(33 <= byte < 127 for byte in text):
        raise EnrollmentError(f"{path} holds no token; put one line with an enrolment code or a token into it.")
    return text.decode("ascii")
