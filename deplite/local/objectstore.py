"""The object store of one machine: SeaweedFS, a real S3 server, whose data and keys are in one folder.

    store = ObjectStore(folder, ports)         # ports: one for each of PURPOSES; touches nothing yet
    store.prepare()                            # folder, keys, configuration; again and again, before each start
    store.programs()                           # one `Program`, for the supervisor
    store.endpoint, store.bucket, store.region, store.access_key_file, store.secret_key_file

Who needs no restarts lets it own its process: `await store.start()`, `await store.stop()`, `await store.kill()`.
"""

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from deplite.local import seaweedfs
from deplite.local.errors import StartError
from deplite.local.probe import ask_port
from deplite.local.process import Process, Program, clean_environment
from deplite.local.seaweedfs import PURPOSES

__all__ = ["PURPOSES", "ObjectStore"]

READY_SECONDS = 60.0
_PROBE = ".deplite-ready"


class ObjectStore:
    """An S3 server for one bucket, on one port of the loopback.

    Args:
        folder: made 0700 by `prepare`; the same folder with the same ports goes on with the same data.
        ports: a port for each of `PURPOSES`.
        logs: the folder of the log file; `folder/logs` unless given.
    """

    bucket = "deplite"
    region = "us-east-1"

    def __init__(self, folder: Path, ports: Mapping[str, int], *, logs: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.process: Process | None = None
        """While `start` owns it."""
        self._ports = dict(ports)
        self._logs = logs or self.folder / "logs"

    @property
    def endpoint(self) -> str:
        """Where S3 is, as a URL."""
        return f"http://127.0.0.1:{self._ports['seaweedfs-s3']}"

    @property
    def access_key_file(self) -> Path:
        """Holds the access key (0600)."""
        return self.folder / seaweedfs.ACCESS_KEY_FILE

    @property
    def secret_key_file(self) -> Path:
        """Holds the secret key (0600)."""
        return self.folder / seaweedfs.SECRET_KEY_FILE

    def prepare(self) -> None:
        """Make folder, keys and configuration, or make them right again; call it before each start.

        Raises:
            MissingError: SeaweedFS is not installed.
        """
        seaweedfs.find_weed()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for name in ("data", "filer"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        seaweedfs.write_files(self.folder, self.bucket)

    def programs(self) -> tuple[Program, ...]:
        """Return the one program; it is ready once the bucket is there and takes an object."""
        program = Program(
            name="objectstore",
            argv=(str(seaweedfs.find_weed()), *seaweedfs.arguments(self._ports)),
            cwd=self.folder,
            # It also looks for its configuration in the home folder.
            env=clean_environment(HOME=str(self.folder)),
            log=self._logs / "objectstore.log",
            ready=self._ready,
            address=self.endpoint,
            leftovers=seaweedfs.leftovers(self._ports),
            # On SIGTERM it takes 17 s, most of them asleep; a SIGKILL loses nothing that it acknowledged.
            grace=2.0,
        )
        return (program,)

    async def start(self) -> None:
        """Start it and wait until it takes objects.

        Raises:
            StartError: it ended or was not ready in time, and is stopped.
        """
        self.prepare()
        for program in self.programs():
            self.process = await Process.start(program)
            try:
                await self.process.wait_ready(READY_SECONDS)
            except (StartError, asyncio.CancelledError):
                await self.stop()
                raise

    async def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            await self.process.stop()
            self.process = None

    async def kill(self) -> None:
        """Kill it as a crash does, and return once it is gone."""
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process = None

    def client(self, timeout: float = 10) -> Minio:
        """Return a blocking S3 client with our keys; `timeout` in seconds, nothing is tried twice."""
        return Minio(
            self.endpoint.removeprefix("http://"),
            self.access_key_file.read_text(),
            self.secret_key_file.read_text(),
            secure=False,
            region=self.region,
            http_client=urllib3.PoolManager(timeout=timeout, retries=False),
        )

    async def _ready(self) -> bool:
        # Its port answers long before a volume can be written to; and a signed request makes a thread, so first this.
        if (await ask_port(self._ports["seaweedfs-s3"], "/healthz")).status != 200:
            return False
        return await asyncio.to_thread(self._takes_objects)

    def _takes_objects(self) -> bool:
        client = self.client(timeout=3)
        try:
            if not client.bucket_exists(self.bucket):
                client.make_bucket(self.bucket)
            client.put_object(self.bucket, _PROBE, io.BytesIO(b"ready"), 5)
            client.remove_object(self.bucket, _PROBE)
        except (MinioException, urllib3.exceptions.HTTPError):
            return False
        return True
