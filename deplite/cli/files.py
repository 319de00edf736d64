"""`deplite files`: uploads, downloads, lists and deletes the files of an organization."""

import argparse
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deplite.amounts import spelled_bytes
from deplite.cli.transfers import shown, transfer
from deplite.client.api import Api
from deplite.client.caller import load_caller
from deplite.client.errors import FileError
from deplite.client.files import Files, Meta, Wish, plain_name
from deplite.client.transfer import Transfer

_WIDTH = 1000
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
_DESCRIPTION = """\
Files of an organization, artifacts of its jobs among them. Who calls is said by the environment: DEPLITE_URL, and
DEPLITE_API_TOKEN (a token with a storage grant) or DEPLITE_JWT with DEPLITE_ORG_ID, as `deplite up` writes them."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("files", help="upload and download files", description=_DESCRIPTION)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _register_up(actions)
    _register_down(actions)
    _register_list(actions)
    delete = actions.add_parser("delete", help="delete files", description="Delete files, for good.")
    delete.add_argument("ids", metavar="ID", nargs="+", help="ids of files (f-…)")
    delete.set_defaults(run=run_delete)


def _register_up(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    up = actions.add_parser(
        "up", help="upload files", description="Upload files; prints the id of each. Folders have to be packed first."
    )
    up.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="a file")
    up.add_argument("--rule", choices=("ttl", "persistent"), help="when it goes: after a time, or never (default: ttl)")
    up.add_argument("--ttl", metavar="TIME", type=_seconds, help="how long it is kept, e.g. 12h or 7d (default: 24h)")
    up.add_argument("--binding", metavar="LABEL", help="the label that grants of tokens speak of")
    up.set_defaults(run=run_up)


def _register_down(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    down = actions.add_parser(
        "down",
        help="download a file",
        description="Download a file and verify its checksum. One that broke off goes on when it is called again.",
    )
    down.add_argument("file", metavar="ID|NAME", help="the id of a file, or its name: then the newest of that name")
    down.add_argument(
        "-o", "--output", metavar="PATH", type=Path, help="a file, or the folder that gets it (default: .)"
    )
    down.add_argument("--job", metavar="ID", help="of a name, the one that this job made")
    down.set_defaults(run=run_down)


def _register_list(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = actions.add_parser("list", help="list files", description="List files, newest first.")
    listing.add_argument("--job", metavar="ID", help="only artifacts of this job")
    listing.add_argument("--binding", metavar="LABEL", help="only files with this label")
    listing.add_argument("--status", choices=("pending", "stored"), help="only files whose upload is not, or is, done")
    listing.add_argument("--output", choices=("text", "json"), default="text", help="form of the answer")
    listing.set_defaults(run=run_list)


def run_up(options: argparse.Namespace) -> int:
    """Upload files one after the other; the first one that fails ends it."""
    if options.rule == "persistent" and options.ttl is not None:
        raise FileError("A file with --rule persistent is kept until it is deleted: leave --ttl out.")
    wish = Wish(rule=options.rule, ttl_seconds=options.ttl, binding=options.binding)
    console = Console(stderr=True)
    with _files() as files:
        for path in options.paths:
            with transfer(console, path.name) as told:
                meta = files.upload(path, wish, told)
            print(f"{meta['id']}  {shown(path.name)}  {spelled_bytes(int(meta['size'] or 0))}", flush=True)
    return 0


def run_down(options: argparse.Namespace) -> int:
    """Download one file."""
    with _files() as files:
        meta = files.find(options.file, job=options.job)
        target = _target(options.output, plain_name(meta.get("filename"), meta["id"]))
        with transfer(Console(stderr=True), target.name) as told:
            files.download(meta, target, told)
    if meta.get("size") and not meta.get("sha256"):
        Console(stderr=True).print("Its uploader gave no checksum: only its size was verified.", highlight=False)
    print(f"{meta['id']}  {shown(str(target))}  {spelled_bytes(target.stat().st_size)}")
    return 0


def run_list(options: argparse.Namespace) -> int:
    """Print the files."""
    with _files() as files:
        found = files.list(status=options.status, job=options.job, binding=options.binding)
        if options.output == "json":
            print(json.dumps(list(found), indent=2))
        else:
            # A narrow terminal, or none, cuts nothing off: ids are there to be copied.
            Console(width=_WIDTH).print(_table(found), crop=False, no_wrap=True)
    return 0


def run_delete(options: argparse.Namespace) -> int:
    """Delete files one after the other; the first one that fails ends it."""
    with _files() as files:
        for file_id in options.ids:
            files.delete(file_id)
            print(f"{file_id}  deleted")
    return 0


@contextmanager
def _files() -> Iterator[Files]:
    api, bytes_ = Api(load_caller()), Transfer()
    try:
        yield Files(api, bytes_)
    finally:
        api.close()
        bytes_.close()


def _target(wanted: Path | None, name: str) -> Path:
    """Return where a download goes; a file that is there is replaced only if it was named."""
    if wanted is not None and not wanted.is_dir():
        return wanted
    target = (wanted or Path()) / name
    if target.exists():
        raise FileError(f"{target} is there already: name the file to write to with -o.")
    return target


def _table(found: Iterator[Meta]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("ID", "NAME", "SIZE", "STATUS", "RULE", "EXPIRES", "JOB"):
        table.add_column(heading, no_wrap=True)
    for meta in found:
        size = spelled_bytes(meta["size"]) if isinstance(meta.get("size"), int) else "-"
        named = (meta.get(key) for key in ("status", "cleanupRule", "expiresAt", "jobId"))
        cells = [meta["id"], meta.get("filename"), size, *named]
        table.add_row(*(Text(shown(str(cell or "-"))) for cell in cells))
    return table


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError("a time is a number and s, m, h or d, e.g. 12h or 7d")
    return int(found[1]) * _SECONDS[found[2]]
