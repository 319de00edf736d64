"""Who this agent is: its key, made here and never sent, and what the server said when it enrolled."""

import fcntl
import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from deplite.protocol.errors import InvalidKeyError
from deplite.protocol.keys import load_private_key, load_public_key, private_pem
from deplite_agent.errors import StateError
from deplite_agent.files import make_private, sync, write_whole

log = logging.getLogger(__name__)

_CODE = "enr_"
"""How an enrolment code begins; the token of a pod begins otherwise."""


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """The server's answer to the enrolment."""

    agent_id: str
    organization_id: str
    server_public_key: str
    """SubjectPublicKeyInfo PEM: what jobs must be signed with."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """An enrolled agent."""

    key: Ed25519PrivateKey
    enrolled: Enrolled

    @property
    def server_key(self) -> Ed25519PublicKey:
        """The pinned key of the server."""
        return load_public_key(self.enrolled.server_public_key)


class StateFolder:
    """The agent's folder: one process at a time uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def jobs(self) -> Path:
        """Journals and spools, a folder a job."""
        return self.path / "jobs"

    def open(self) -> None:
        """Make the folder and take it.

        Raises:
            StateError: another agent uses it, or it cannot be made.
        """
        try:
            make_private(self.path)
            make_private(self.jobs)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"The state folder {self.path} cannot be used ({error.strerror}); set DEPLITE_STATE_DIR."
            raise StateError(message) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            message = f"Another agent uses {self.path}; stop it, or give this one its own DEPLITE_STATE_DIR."
            raise StateError(message) from None

    def key(self) -> Ed25519PrivateKey:
        """Return the key, making it the first time: before the enrolment, so that a lost answer repeats with it.

        Raises:
            StateError: the file is damaged.
        """
        path = self.path / "key.pem"
        try:
            if not path.exists():
                if self._identity.exists():
                    message = f"{path} is missing; remove {self._identity} too, and enrol again with a new code."
                    raise StateError(message)
                write_whole(path, private_pem(Ed25519PrivateKey.generate()))
            return load_private_key(path.read_bytes())
        except InvalidKeyError:
            raise self._damaged(path) from None
        except OSError as error:
            raise StateError(f"{path} cannot be used ({error.strerror}).") from None

    def enrolled(self) -> Enrolled | None:
        """Return what the server said when this agent enrolled, or None.

        Raises:
            StateError: the file is damaged.
        """
        try:
            enrolled = Enrolled(**json.loads(self._identity.read_text(encoding="utf-8")))
            if not all(isinstance(value, str) and value for value in asdict(enrolled).values()):
                raise self._damaged(self._identity)
            load_public_key(enrolled.server_public_key)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, RecursionError, InvalidKeyError):
            raise self._damaged(self._identity) from None
        except OSError as error:
            raise StateError(f"{self._identity} cannot be used ({error.strerror}).") from None
        return enrolled

    def save(self, enrolled: Enrolled) -> None:
        """Keep what the server said.

        Raises:
            StateError: the disk does not take it; the same key enrols again with the same code for ten minutes.
        """
        try:
            write_whole(self._identity, json.dumps(asdict(enrolled), indent=2).encode())
        except OSError as error:
            raise StateError(f"{self._identity} cannot be written ({error.strerror}); start again soon.") from None

    def spent(self, code: str) -> bool:
        """Whether this machine has enrolled with a code; it never is again by itself with that one.

        Raises:
            StateError: the file cannot be read.
        """
        return _digest(code) in self._spent_codes()

    def spend(self, code: str) -> None:
        """Remember that this machine has enrolled with a code. A pod's token is none, and may be shown again."""
        if not code.startswith(_CODE):
            return
        known, digest = self._spent_codes(), _digest(code)
        if digest in known:
            return
        try:
            write_whole(self._spent, b"".join(one + b"\n" for one in (*known, digest)))
        except OSError as error:  # it is enrolled all the same
            log.warning("%s cannot be written (%s).", self._spent, error.strerror, extra={"action": "code_not_noted"})

    def forget(self) -> None:
        """Forget key and identity: this agent was revoked. What it enrolled with stays spent."""
        for name in ("identity.json", "key.pem"):
            (self.path / name).unlink(missing_ok=True)
        sync(self.path)

    @property
    def _identity(self) -> Path:
        return self.path / "identity.json"

    @property
    def _spent(self) -> Path:
        return self.path / "spent-codes"

    def _spent_codes(self) -> list[bytes]:
        try:
            return self._spent.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateError(f"{self._spent} cannot be read ({error.strerror}).") from None

    def _damaged(self, path: Path) -> StateError:
        both = "identity.json and key.pem"
        return StateError(f"{path} is damaged; remove {both} from {self.path}, and enrol again with a new code.")


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).hexdigest().encode()
