"""From a Dockerfile to layers: what an image is made of decides its key, and nothing else does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node.images import base
from tests.node.images.context import read_context
from tests.node.images.errors import DockerfileError
from tests.node.images.instructions import Run
from tests.node.images.layers import Base, Files, Tree, stack
from tests.node.images.plan import Image, plan
from tests.node.images.reader import read
from tests.node.images.recipes import ROOT

BASE = Image(stack(None, Base(), "the base"), base.CONFIG)
PARTS = ("apiserver", "operator", "agent")


def planned(root: Path, dockerfile: str) -> Image:
    read_file = read(root / dockerfile, {base.NAME: base.CONFIG}.get)
    return plan(read_file, read_context(root), {base.NAME: BASE}.get, "")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what our images are made of, to be changed."""
    for path, file in read_context(ROOT).files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, tmp_path / path)
    shutil.copy2(ROOT / ".dockerignore", tmp_path)
    return tmp_path


def replaced(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return change


def written(path: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("new\n")

    return change


def identity(image: Image) -> tuple[str, object]:
    assert image.top is not None
    return image.top.key, image.config


AGENT = "agent/Dockerfile"


@pytest.mark.parametrize(
    "change",
    [
        replaced(AGENT, "install -d -m 0700", "install -d -m 0755"),
        replaced(AGENT, "HOME=/tmp", "HOME=/root"),
        replaced(AGENT, "USER 65532:65532", "USER 1000:1000"),
        replaced(AGENT, "VOLUME /var/lib/deplite-agent", "EXPOSE 80"),
        replaced(AGENT, '["deplite-agent"]', '["deplite"]'),
        replaced(AGENT, "PIP_NO_CACHE_DIR=1", "PIP_NO_CACHE_DIR=0"),
        replaced(
            AGENT,
            "requirements/agent.txt requirements/\n",
            "requirements/agent.txt requirements/local.txt requirements/\n",
        ),
        replaced("requirements/agent.txt", "sha256:", "sha256:0"),
        replaced("deplite/__init__.py", "\n", "\n\n"),
        written("agent/deplite_agent/new.py"),
        written("crds/new.yaml"),
        lambda root: (root / "agent/deplite_agent/main.py").unlink(),
        lambda root: (root / "agent/deplite_agent/main.py").chmod(0o755),
    ],
)
def test_what_goes_into_an_image_changes_it(checkout: Path, change: Callable[[Path], None]) -> None:
    before = identity(planned(checkout, AGENT))
    change(checkout)
    assert identity(planned(checkout, AGENT)) != before


@pytest.mark.parametrize(
    "change",
    [
        written("tests/new.py"),
        written("deplite/__pycache__/new.cpython-311.pyc"),
        written(".env"),
        replaced("requirements/apiserver.txt", "sha256:", "sha256:0"),
    ],
)
def test_what_does_not_go_into_an_image_leaves_it_as_it_is(checkout: Path, change: Callable[[Path], None]) -> None:
    before = identity(planned(checkout, AGENT))
    change(checkout)
    assert identity(planned(checkout, AGENT)) == before


@pytest.mark.parametrize("part", PARTS)
def test_the_images_of_the_parts_are_planned_from_their_own_dockerfiles(part: str) -> None:
    image = planned(ROOT, f"{part}/Dockerfile")
    assert image.top is not None
    assert image.config.entrypoint == (f"deplite-{part}",)
    assert image.config.user == "65532:65532"
    layers = list(image.top.chain())
    assert isinstance(layers[-1].action, Base)
    (tree,) = [layer.action for layer in layers if isinstance(layer.action, Tree)]
    assert (tree.sources, tree.target) == (("/opt/deplite",), "/opt/deplite")
    assert tree.stage is not None
    built = [layer.action for layer in tree.stage.chain()]
    copied = {path for action in built if isinstance(action, Files) for path in action.files}
    assert copied == {f"/src/requirements/{part}.txt", "/src/requirements/build.txt"}
    wheel = next(action.stage for action in built if isinstance(action, Tree))
    assert wheel is not None
    sources = {path for layer in wheel.chain() if isinstance(layer.action, Files) for path in layer.action.files}
    assert {"/src/deplite/__init__.py", "/src/pyproject.toml", "/src/requirements/build.txt"} <= sources


def line_of(text: str) -> int:
    return 1 + next(number for number, line in enumerate((ROOT / AGENT).read_text().splitlines()) if text in line)


def test_the_parts_share_the_wheel_and_the_tools_that_make_it() -> None:
    def runs(part: str) -> dict[str, str]:
        image = planned(ROOT, f"{part}/Dockerfile")
        trees = [layer.action for layer in image.layers() if isinstance(layer.action, Tree)]
        found = {}
        while trees:
            chain = list(trees.pop().stage.chain())  # type: ignore[union-attr]
            trees += [layer.action for layer in chain if isinstance(layer.action, Tree)]
            found |= {layer.action.command: layer.key for layer in chain if isinstance(layer.action, Run)}
        return found

    shared = set.intersection(*(set(runs(part).items()) for part in PARTS))
    assert [command.split()[:2] for command, _ in sorted(shared)] == [["/opt/tools/bin/pip", "wheel"], ["python", "-m"]]


@pytest.mark.parametrize(
    ("ignore", "path"), [("*\n!agent\n", "requirements/build.txt"), ("crds\n", "crds"), ("**/README.md\n", "README.md")]
)
def test_a_file_that_dockerignore_keeps_out_is_an_error_that_says_so(checkout: Path, ignore: str, path: str) -> None:
    (checkout / ".dockerignore").write_text(ignore)
    with pytest.raises(DockerfileError) as caught:
        planned(checkout, AGENT)
    where = f"{checkout / AGENT}:{line_of(path)}"
    assert str(caught.value) == f"{where}: .dockerignore keeps out what is copied here: {path}"


def test_a_file_that_is_not_there_is_an_error_that_says_so(checkout: Path) -> None:
    (checkout / "README.md").unlink()
    with pytest.raises(DockerfileError) as caught:
        planned(checkout, AGENT)
    assert str(caught.value) == f"{checkout / AGENT}:{line_of('README.md')}: there is nothing to copy: README.md"


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("COPY one /to", {"/to"}),
        ("COPY one /to/", {"/to/one"}),
        ("COPY one folder /to/", {"/to/one", "/to/two", "/to/deep/three"}),
        ("COPY folder /to", {"/to/two", "/to/deep/three"}),
        ("COPY folder/ to", {"/app/to/two", "/app/to/deep/three"}),
        ("COPY folder/deep .", {"/app/three"}),
        ("COPY ./one ./", {"/app/one"}),
        ("COPY . /all", {"/all/one", "/all/folder/two", "/all/folder/deep/three", "/all/Dockerfile"}),
    ],
)
def test_copies_land_where_docker_lays_them(tmp_path: Path, line: str, files: set[str]) -> None:
    for path in ("one", "folder/two", "folder/deep/three"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nWORKDIR /app\n{line}\n")
    top = planned(tmp_path, "Dockerfile").top
    assert top is not None
    assert isinstance(top.action, Files)
    assert set(top.action.files) == files
