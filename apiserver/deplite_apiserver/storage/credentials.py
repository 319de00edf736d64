"""The credential of the object store, as its two files say it at this moment."""

from dataclasses import dataclass, field
from pathlib import Path

from deplite_apiserver.secretfiles import SecretFiles


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """A credential, named as minio's are."""

    access_key: str
    """Its name, which addresses and requests show."""
    secret_key: str = field(repr=False)
    session_token: None = None
    """Of temporary credentials, which files do not hold."""


class KeyFiles:
    """As `minio.credentials.Provider`."""

    def __init__(self, access_key_file: Path, secret_key_file: Path) -> None:
        """Read both files for the first time; errors as `SecretFiles`."""
        self._files = SecretFiles(access_key_file, secret_key_file, what="storage keys", action="storage_keys_unread")

    def retrieve(self) -> Keys:
        """Return the present credential; while a file cannot be read, the last one that could."""
        access, secret = self._files.read()
        return Keys(access_key=access, secret_key=secret)
