"""Instructions carried out on the real base: what a layer becomes, and what a failed or stopped one leaves: nothing."""

import asyncio
import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
import pytest_asyncio

from tests.node.images import APPLICATION, archives, base
from tests.node.images.archives import CODE, based, cache
from tests.node.images.context import Context
from tests.node.images.errors import ImageError
from tests.node.images.layers import Layer
from tests.node.images.pack import Archive
from tests.node.images.plan import Image, plan
from tests.node.images.reader import read
from tests.node.images.store import LAYER_SECONDS, Store

BASE = based(CODE)


@pytest_asyncio.fixture(scope="session")
async def cached(maker: None) -> Path:
    """The folder of the base, which is made with our images."""
    await archives([APPLICATION])
    assert BASE.top is not None
    return Store(cache(os.environ)).folder / BASE.top.key


@pytest.fixture
def store(cached: Path, tmp_path: Path) -> Store:
    """A store of the test's own, which has the base."""
    store = Store(tmp_path / "store")
    store.prepare()
    subprocess.run(["cp", "-a", str(cached), str(store.folder)], check=True)
    return store


def planned(folder: Path, text: str, **files: str) -> Image:
    """An image of these lines, FROM the base."""
    (folder / "context").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / "context" / name).write_text(content)
    (folder / "Dockerfile").write_text(f"FROM {base.NAME} AS first\n{text}\n")
    dockerfile = read(folder / "Dockerfile", {base.NAME: base.CONFIG}.get)
    context = Context({name: folder / "context" / name for name in files})
    return plan(dockerfile, context, {base.NAME: BASE}.get, CODE)


async def made(store: Store, image: Image) -> Path:
    """The tree of the uppermost layer."""
    await Store(store.folder).make(top(image))
    return store.tree(top(image))


def top(image: Image) -> Layer:
    assert image.top is not None
    return image.top


def names(tree: Path, target: Path) -> list[str]:
    """What the tar of a layer has."""
    with Archive(target) as archive:
        layer = archive.add_layer(tree, "layer")
    with tarfile.open(target) as tar:
        file = tar.extractfile(layer.name)
        assert file is not None
        with tarfile.open(fileobj=io.BytesIO(file.read())) as found:
            return found.getnames()


def left_over(store: Store) -> list[str]:
    """Mounts of this machine, and processes, that have to do with a store."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(store.folder) in line]
    commands = (path / "cmdline" for path in Path("/proc").iterdir() if path.name.isdigit())
    return mounts + [text for path in commands if str(store.folder) in (text := text_of(path))]


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""


async def test_a_run_has_no_network_and_none_of_our_environment(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLITE_TEST_SECRET", "not for images")
    image = planned(
        tmp_path,
        "ENV A=b\nWORKDIR /here/there\nUSER 12:34\nENV HOME=/tmp\n"
        "RUN env | sort > /tmp/env; cat /proc/net/dev > /tmp/devices; (id -u; id -G; pwd) > /tmp/id",
    )
    tree = await made(store, image)
    assert [line.split(":")[0].strip() for line in (tree / "tmp/devices").read_text().splitlines()[2:]] == ["lo"]
    assert (tree / "tmp/env").read_text().split() == [
        "A=b",
        "HOME=/tmp",
        "LANG=C.UTF-8",
        f"PATH={base.CONFIG.environment['PATH']}",
        "PWD=/here/there",
        "SOURCE_DATE_EPOCH=1577836800",
    ]
    assert (tree / "tmp/id").read_text().split() == ["12", "34", "/here/there"]
    assert {path.name for path in tree.iterdir()} == {"tmp"}
    assert (tree / "tmp").stat().st_mode == 0o41777
    assert left_over(store) == []


async def test_what_a_run_removes_is_removed_for_runtimes_and_for_later_stages(store: Store, tmp_path: Path) -> None:
    text = (
        "RUN rm /usr/bin/awk && rm -r /etc/ssl && mkdir -m 0700 /etc/ssl && echo b > /etc/ssl/b && ln /etc/ssl/b /etc/c"
    )
    tree = await made(store, planned(tmp_path, text))
    found = names(tree, tmp_path / "tar")
    assert {"usr/bin/.wh.awk", "etc/ssl/.wh..wh..opq", "etc/ssl/b", "etc/c"} <= set(found)
    assert [name for name in found if name.startswith("etc/ssl/certs")] == []
    image = planned(
        tmp_path,
        f"{text}\nFROM {base.NAME}\nCOPY --from=first /etc/ssl /etc/c /usr/bin/which /new/\n"
        "COPY --from=first /etc/ssl /etc/ssl",
    )
    merged = await made(store, image)
    assert sorted(path.relative_to(merged).as_posix() for path in merged.rglob("*")) == ["etc", "etc/ssl", "etc/ssl/b"]
    assert (merged / "etc/ssl").stat().st_mode == 0o40700
    below = top(image).below
    assert below is not None
    assert sorted(path.name for path in (store.tree(below) / "new").iterdir()) == ["b", "c", "which"]
    assert os.readlink(store.tree(below) / "new/which") == "which.debianutils"


async def test_copied_files_are_roots_and_lie_where_links_of_the_image_lead(store: Store, tmp_path: Path) -> None:
    image = planned(tmp_path, "COPY --chmod=0750 one two /bin/", one="1", two="2")
    (tmp_path / "context/one").chmod(0o600)
    os.chown(tmp_path / "context/two", 5, 6)
    tree = await made(store, image)
    files = {path.relative_to(tree).as_posix(): path.stat() for path in tree.rglob("*") if path.is_file()}
    assert {name: (found.st_mode, found.st_uid, found.st_gid) for name, found in files.items()} == {
        "usr/bin/one": (0o100750, 0, 0),
        "usr/bin/two": (0o100750, 0, 0),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RUN echo begun && cat /not/there", r"2: RUN fails; it says:\nbegun\ncat: /not/there: No such file"),
        ("RUN pip install -r lock.txt", r"2: RUN names /lock\.txt, which no COPY above brings$"),
        ("RUN ln -s / /out\nCOPY file /out/file", r"3: COPY fails; it says:\n/out/file leads out of the image$"),
        (f"FROM {base.NAME}\nCOPY --from=first /not/there /a", r"3: COPY fails; it says:\nno layer has not/there$"),
        ("COPY file /bin/sh/a", r"2: COPY fails; it says:\n.*/bin/sh"),
    ],
)
async def test_what_cannot_be_carried_out_is_one_error_and_leaves_nothing(
    store: Store, tmp_path: Path, text: str, said: str
) -> None:
    image = planned(tmp_path, text, file="f")
    with pytest.raises(ImageError, match=rf"(?s)^{tmp_path}/Dockerfile:{said}"):
        await made(store, image)
    assert not (store.folder / top(image).key).exists()
    assert left_over(store) == []


async def test_a_wheel_that_is_not_what_its_hash_says_is_refused(store: Store, tmp_path: Path) -> None:
    lock = f"idna==3.10 --hash=sha256:{'0' * 64}\n"
    image = planned(tmp_path, "COPY lock.txt /\nRUN pip install --require-hashes -r /lock.txt", **{"lock.txt": lock})
    with pytest.raises(ImageError, match=r"(?s)the wheels of an image cannot be fetched; pip says:.*MATCH THE HASHES"):
        await made(store, image)


async def test_a_make_that_is_stopped_leaves_nothing_and_the_next_one_makes_it(store: Store, tmp_path: Path) -> None:
    image = planned(tmp_path, "RUN echo $$ > /begun && test -e /mnt/go || { trap '' TERM; sleep 86000; }")
    begun = store.folder / f"{top(image).key}.new/tree/begun"
    making = asyncio.create_task(made(store, image))
    while not begun.exists():
        assert not making.done()
        await asyncio.sleep(0.05)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    while left_over(store):
        await asyncio.sleep(0.05)
    assert not (store.folder / top(image).key).exists()
    store.prepare()
    assert [path.name for path in store.folder.iterdir() if path.suffix == ".new"] == []
    assert (await made(store, planned(tmp_path, "RUN echo > /begun")) / "begun").exists()


async def test_the_same_lines_make_the_same_bytes(store: Store, tmp_path: Path) -> None:
    image = planned(
        tmp_path,
        "COPY a /a\nRUN python -m venv --without-pip /v && python -m compileall -q /usr/lib/python3.11/email",
        a="a",
    )
    written = []
    for name in ("one", "two"):
        tree = await made(store, image)
        names(tree, tmp_path / name)
        written.append((tmp_path / name).read_bytes())
        (store.folder / top(image).key).rename(tmp_path / f"{name}.layer")
    assert len(written[0]) > 100_000
    assert written[0] == written[1]


async def test_layers_that_nobody_uses_are_removed(store: Store, tmp_path: Path) -> None:
    used, unused = planned(tmp_path, "RUN echo > /a"), planned(tmp_path, "RUN echo > /b")
    for image in (used, unused):
        await made(store, image)
    long_ago = time.time() - LAYER_SECONDS - 60
    for path in store.folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    maker = Store(store.folder)
    for layer in used.layers():
        await maker.make(layer)
    maker.prune()
    kept = {layer.key for layer in used.layers()}
    assert {path.name for path in store.folder.iterdir()} == kept | {"empty", "nothing"}
