"""The archives of all images, found in our cache or made into it."""

import asyncio
import hashlib
import json
import os
import platform
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from deplite.local.controlplane.find import Report, cache_folder
from deplite.local.together import together
from tests import programs
from tests.apt import sources
from tests.node.images import base
from tests.node.images.context import Context
from tests.node.images.layers import Base, stack
from tests.node.images.pack import Archive, Packed, describe
from tests.node.images.plan import Image, plan
from tests.node.images.reader import read
from tests.node.images.recipes import GROUPS, RECIPES, Recipe
from tests.node.images.store import Store

NEEDED = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "mount": "mount", "ldconfig": "libc-bin"}
"""Programs, and the packages of Debian that have them."""


def _code() -> str:
    """Return a hash of what makes images: this package, and the kind of machine."""
    whole = hashlib.sha256(platform.machine().encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


CODE = _code()


def missing() -> str | None:
    """Return what this machine lacks for making images, in one line; None where all is there."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        return "our images are made on Linux by root"
    packages = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if packages:
        return f"our images need {', '.join(packages)}: apt-get install {' '.join(packages)}"
    if not sources(base.SUITE):
        return f"no apt source of this machine has Debian's {base.SUITE}, which our images are based on"
    return None


async def archives(
    groups: Iterable[str] = GROUPS,
    report: Report = programs.ignore,
    environment: Mapping[str, str] | None = None,
    recipes: Sequence[Recipe] = RECIPES,
) -> dict[str, Path]:
    """Return the archive of each image by the image's name, and make those that are not in the cache.

    Several images may be in one archive: import each path once.

    Args:
        groups: which images.
        report: told how many are made.
        environment: in place of ours; says where the cache is.
        recipes: in place of ours.

    Raises:
        ImageError: an image cannot be made.
        MissingError: a program that goes into one is not there.
    """
    store = Store(cache(os.environ if environment is None else environment))
    wanted = set(groups)
    images = await plans(recipe for recipe in recipes if recipe.group in wanted)
    found: dict[str, Path] = {}
    for group in sorted(wanted):
        chosen = {recipe.name: images[recipe.name] for recipe in recipes if recipe.group == group}
        archive = store.folder / f"{group}-{_key(chosen)}.tar"
        if archive.exists():
            os.utime(archive)
        else:
            store.folder.mkdir(parents=True, exist_ok=True)
            async with _locked(store.folder / "lock", report):
                if not archive.exists():  # else it is by the one that we waited for
                    await _make(store, chosen, archive, report)
        found |= dict.fromkeys(chosen, archive)
    return found


def cache(environment: Mapping[str, str]) -> Path:
    """Return the folder of all that is kept."""
    return cache_folder(environment).with_name("images")


async def plans(recipes: Iterable[Recipe]) -> dict[str, Image]:
    """Return the images of recipes, by name; none is made.

    Raises:
        ImageError: a Dockerfile has a line that is wrong.
        MissingError: a program that goes into one is not there.
    """
    known = {base.NAME: based(CODE)}
    contexts: dict[object, Context] = {}
    for recipe in recipes:
        if recipe.context not in contexts:
            contexts[recipe.context] = await recipe.context()
        dockerfile = read(recipe.dockerfile, lambda name: known[name].config if name in known else None)
        known[recipe.name] = plan(dockerfile, contexts[recipe.context], known.get, CODE)
    return {name: image for name, image in known.items() if name != base.NAME}


def based(code: str) -> Image:
    """Return the base of our images; part of its key is the code that makes it."""
    return Image(stack(None, Base(), "the base", code), base.CONFIG)


def _key(images: Mapping[str, Image]) -> str:
    parts = [
        [name, image.top.key if image.top else "", describe(image.config, []).decode()]
        for name, image in images.items()
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


async def _make(store: Store, images: Mapping[str, Image], archive: Path, report: Report) -> None:
    store.prepare()
    done: set[str] = set()

    async def one(name: str, image: Image) -> None:
        for layer in image.layers():
            await store.make(layer)
        done.add(name)
        report(len(done), len(images), f"{name} is made")

    await together(*(one(name, image) for name, image in images.items()))
    report(len(done), len(images), "writing them")
    new = archive.with_suffix(".new")
    await asyncio.to_thread(_pack, store, images, new)
    new.replace(archive)
    store.prune()


def _pack(store: Store, images: Mapping[str, Image], target: Path) -> None:
    packed: dict[str, Packed] = {}
    with Archive(target) as archive:
        for name, image in images.items():
            for layer in image.layers():
                if layer.key not in packed:
                    packed[layer.key] = archive.add_layer(store.tree(layer), layer.key)
            archive.add_image(name, image.config, [packed[layer.key] for layer in image.layers()])


@asynccontextmanager
async def _locked(path: Path, report: Report) -> AsyncIterator[None]:
    lock = FileLock(path)
    while True:
        with suppress(Timeout):
            lock.acquire(blocking=False)
            break
        report(0, 1, "waiting for another process that makes images")
        await asyncio.sleep(0.25)
    try:
        yield
    finally:
        lock.release()
