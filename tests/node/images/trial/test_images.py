"""Our images as they came out: what is in them, and that each starts as its user where only /tmp can be written."""

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node.images.context import read_context
from tests.node.images.recipes import AGENT, RELEASE, ROOT
from tests.node.images.trial.unpacked import Unpacked

PARTS = ("apiserver", "operator", "agent")
PACKAGES = "opt/deplite/lib/python3.11/site-packages"
TOOLS = "deplite-node/agent-with-tools:1"
Unpack = Callable[[str], Unpacked]


def part_of(unpacked: Unpack, part: str) -> Unpacked:
    return unpacked(f"deplite/{part}:{RELEASE}")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_the_agent_says_its_version(unpacked: Unpack) -> None:
    done = unpacked(AGENT).run("deplite-agent", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"deplite-agent {RELEASE}\n", "")


@pytest.mark.parametrize(
    ("part", "wanted"),
    [("apiserver", "DEPLITE_S3_ENDPOINT"), ("operator", "DEPLITE_PUBLIC_URL"), ("agent", "DEPLITE_URL")],
)
def test_a_part_that_is_told_nothing_says_what_it_wants(unpacked: Unpack, part: str, wanted: str) -> None:
    done = part_of(unpacked, part).run()
    assert done.returncode != 0
    assert wanted in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs_as_nobody_and_can_write_only_tmp(unpacked: Unpack, part: str) -> None:
    image = part_of(unpacked, part)
    done = image.run("sh", "-c", "id -u; id -g; id -G; touch $HOME/a && echo kept; touch /a /opt/deplite/a")
    assert done.stdout.split() == ["65532", "65532", "65532", "kept"]
    assert done.stderr.count("Read-only file system") == 2
    assert (image.config["User"], image.config["Entrypoint"]) == ("65532:65532", [f"deplite-{part}"])
    assert "Cmd" not in image.config


@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_exactly_the_sources_of_this_tree(unpacked: Unpack, part: str) -> None:
    image = part_of(unpacked, part)
    context = read_context(ROOT).files
    for package in ("deplite", "operator/deplite_operator", "apiserver/deplite_apiserver", "agent/deplite_agent"):
        installed = image.folder / PACKAGES / package.rpartition("/")[2]
        sources = {path[len(package) + 1 :]: file for path, file in context.items() if path.startswith(f"{package}/")}
        found = {name for name in files(installed) if "__pycache__" not in name and not name.startswith("data/")}
        assert found == set(sources)
        assert [name for name in sources if (installed / name).read_bytes() != sources[name].read_bytes()] == []
    crds = image.folder / PACKAGES / "deplite/data/crds"
    assert files(crds) == {path.name for path in (ROOT / "crds").iterdir()}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_the_packages_of_its_lock_file_and_no_installer(unpacked: Unpack, part: str) -> None:
    image = part_of(unpacked, part)
    lock = (ROOT / f"requirements/{part}.txt").read_text()
    locked = {name.replace("-", "_") for name in re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==", lock, re.MULTILINE)}
    found = {path.name.split("-")[0].lower() for path in (image.folder / PACKAGES).glob("*.dist-info")}
    assert found == locked | {"deplite"}
    assert image.run("sh", "-c", "command -v pip pip3; python -c 'import pip'").returncode != 0
    assert not (image.folder / "opt/tools").exists()
    assert not (image.folder / "src").exists()


@pytest.mark.parametrize("part", PARTS)
def test_the_bytecode_of_a_part_is_that_of_its_packages_and_is_used(unpacked: Unpack, part: str) -> None:
    image = part_of(unpacked, part)
    done = image.run("python", "-v", "-c", "import deplite.protocol.canonical")
    assert re.search(r"__pycache__/canonical\.cpython-311\.pyc matches", done.stderr), done.stderr[-2000:]
    assert "wrote" not in done.stderr
    bytecode = [path for path in image.folder.rglob("__pycache__") if not path.is_relative_to(image.folder / PACKAGES)]
    assert bytecode == []


@pytest.mark.parametrize("name", [*(f"deplite/{part}:{RELEASE}" for part in PARTS), TOOLS])
def test_an_image_has_nothing_of_the_machine_that_made_it(unpacked: Unpack, name: str) -> None:
    image = unpacked(name)
    for file in ("hostname", "hosts", "resolv.conf"):
        assert (image.folder / "etc" / file).read_text() == ""
    assert not (image.folder / "etc/apt").exists()
    assert not (image.folder / "etc/shadow").exists()
    assert [one for one in files(image.folder) if re.search(r"pip\.conf$|\.netrc$|\.git/|\.env$", one)] == []
    keys = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\r?\n[A-Za-z0-9+/=\r\n]{40}")
    # One package brings keys that it tests itself with, the same everywhere.
    ours = [path for path in (image.folder / "opt").rglob("*") if path.is_file() and "SelfTest" not in path.parts]
    assert len(ours) > 100
    assert [path for path in ours if keys.search(path.read_bytes())] == []
    for folder in ("root", "home", "tmp", "mnt", "dev", "proc", "run/secrets"):
        assert not (image.folder / folder).exists() or files(image.folder / folder) <= {".bashrc", ".profile"}


def test_the_state_of_the_agent_is_its_own(unpacked: Unpack) -> None:
    image = unpacked(AGENT)
    found = (image.folder / "var/lib/deplite-agent").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o700, 65532, 65532)
    assert image.config["Volumes"] == {"/var/lib/deplite-agent": {}}
    assert [path for path in image.folder.rglob("*") if path.lstat().st_uid not in (0, 65532)] == []


def test_steps_find_a_shell_and_python_and_believe_the_usual_authorities(unpacked: Unpack) -> None:
    image = unpacked(AGENT)
    code = "import ssl, urllib.request; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    assert int(image.run("python", "-c", code).stdout) > 100
    assert image.run("bash", "-c", "echo $(date -u -d @0 +%Y | sed s/19/20/ | awk '{print $1}')").stdout == "2070\n"
    assert image.run("sh", "-c", "command -v curl wget git kubectl").returncode != 0


def test_an_agent_with_tools_is_the_agent_and_kubectl(unpacked: Unpack) -> None:
    image = unpacked(TOOLS)
    assert image.config == unpacked(AGENT).config
    assert files(image.folder) - files(unpacked(AGENT).folder) == {"usr/local/bin/kubectl"}
    assert image.run("kubectl", "version", "--client").stdout.startswith("Client Version: v1.")
    assert image.run("deplite-agent", "--version").stdout == f"deplite-agent {RELEASE}\n"
