"""Layers and archives as runtimes read them; their bytes follow from the content alone."""

import hashlib
import io
import json
import os
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.node.images.errors import ImageError
from tests.node.images.instructions import Config
from tests.node.images.pack import Archive, describe


def tree(root: Path, *, backwards: bool = False) -> Path:
    """A folder with one of each kind, made in either order."""
    root.mkdir()
    names = ["a", "b/c", "b/d", "e/f"]
    for name in reversed(names) if backwards else names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(name)
        (root / name).chmod(0o640)
    (root / "a").chmod(0o755)
    (root / "e").chmod(0o1777)
    (root / "link").symlink_to("b/c")
    os.link(root / "b/c", root / "twin")
    os.utime(root / "a", (1, 1 if backwards else 2))
    return root


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def packed(root: Path, target: Path) -> bytes:
    """The tar of one layer."""
    with Archive(target) as archive:
        layer = archive.add_layer(root, "layer")
    found = contents(target)[layer.name]
    assert layer.digest == hashlib.sha256(found).hexdigest()
    return found


def test_a_layer_keeps_names_modes_and_links(tmp_path: Path) -> None:
    layer = packed(tree(tmp_path / "tree"), tmp_path / "archive")
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        found = [(one.name, one.type, oct(one.mode), one.linkname) for one in tar]
        assert found == [
            ("a", tarfile.REGTYPE, "0o755", ""),
            ("b", tarfile.DIRTYPE, "0o755", ""),
            ("b/c", tarfile.REGTYPE, "0o640", ""),
            ("b/d", tarfile.REGTYPE, "0o640", ""),
            ("e", tarfile.DIRTYPE, "0o1777", ""),
            ("e/f", tarfile.REGTYPE, "0o640", ""),
            ("link", tarfile.SYMTYPE, "0o777", "b/c"),
            ("twin", tarfile.LNKTYPE, "0o640", "b/c"),
        ]
        assert {(one.uname, one.gname, one.mtime) for one in tar} == {("", "", 1577836800)}
        file = tar.extractfile("b/d")
        assert file is not None
        assert file.read() == b"b/d"


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    one = packed(tree(tmp_path / "one"), tmp_path / "one.tar")
    assert packed(tree(tmp_path / "two", backwards=True), tmp_path / "two.tar") == one
    (tmp_path / "two/a").write_text("A")
    assert packed(tmp_path / "two", tmp_path / "two.tar") != one


def test_what_is_no_file_of_an_image_is_an_error_that_names_it(tmp_path: Path) -> None:
    root = tree(tmp_path / "tree")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(root / "b/socket"))
        with pytest.raises(ImageError, match="b/socket is something else"):
            packed(root, tmp_path / "tar")


def test_an_archive_has_each_layer_once_and_says_what_an_image_is_started_with(tmp_path: Path) -> None:
    tree(tmp_path / "base")
    (tmp_path / "top").mkdir()
    (tmp_path / "top/g").write_text("g")
    config = Config(
        environment={"PATH": "/bin", "A": "b"},
        user="1:2",
        folder="/data",
        ports=("80/tcp",),
        volumes=("/data",),
        entrypoint=("run",),
        command=("it",),
    )
    for name in ("one", "two"):
        with Archive(tmp_path / name) as archive:
            base, top = (archive.add_layer(tmp_path / layer, layer) for layer in ("base", "top"))
            archive.add_image("base:1", Config(environment={}), [base])
            archive.add_image("top:1", config, [base, top])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = contents(tmp_path / "one")
    manifest: list[dict[str, Any]] = json.loads(found["manifest.json"])
    assert [(one["RepoTags"], one["Layers"]) for one in manifest] == [
        (["base:1"], ["base.tar"]),
        (["top:1"], ["base.tar", "top.tar"]),
    ]
    assert len(found) == 2 + 2 + 1
    for one in manifest:
        said = json.loads(found[one["Config"]])
        assert one["Config"] == hashlib.sha256(found[one["Config"]]).hexdigest() + ".json"
        layers = [hashlib.sha256(found[name]).hexdigest() for name in one["Layers"]]
        assert said["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in layers]}
    assert json.loads(found[manifest[1]["Config"]])["config"] == {
        "Env": ["PATH=/bin", "A=b"],
        "User": "1:2",
        "WorkingDir": "/data",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "Entrypoint": ["run"],
        "Cmd": ["it"],
    }


def test_the_configuration_names_the_machine_as_runtimes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, name in (("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")):
        monkeypatch.setattr("platform.machine", lambda machine=machine: machine)
        assert json.loads(describe(Config(environment={}), []))["architecture"] == name
