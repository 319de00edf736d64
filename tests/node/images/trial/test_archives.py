"""Archives in the cache: made once, whoever asks at the same time, and found from then on."""

import asyncio
import tarfile
from pathlib import Path

import pytest

from tests.node.images import archives
from tests.node.images.context import Context
from tests.node.images.errors import ImageError
from tests.node.images.recipes import Recipe

GROUP = "small"


def small(folder: Path, content: str, line: str = "COPY file /file") -> tuple[Recipe, ...]:
    """Two images of a file each; one is built on the other."""
    (folder / "file").write_text(content)
    (folder / "one.Dockerfile").write_text(f"FROM scratch\n{line}\n")
    (folder / "two.Dockerfile").write_text("FROM one:1\nCOPY file /other\nUSER 1:2\n")

    async def context() -> Context:
        return Context({"file": folder / "file"})

    return tuple(Recipe(f"{name}:1", GROUP, folder / f"{name}.Dockerfile", context) for name in ("one", "two"))


async def made(folder: Path, recipes: tuple[Recipe, ...], told: list[str]) -> Path:
    def report(done: float, total: float, note: str) -> None:
        told.append(note)

    found = await archives([GROUP], report, {"XDG_CACHE_HOME": str(folder / "cache")}, recipes)
    assert set(found) == {recipe.name for recipe in recipes}
    (path,) = set(found.values())
    return path


async def test_two_who_ask_at_once_get_one_archive_that_was_made_once(maker: None, tmp_path: Path) -> None:
    recipes = small(tmp_path, "a")
    told: tuple[list[str], list[str], list[str]] = ([], [], [])
    one, two = await asyncio.gather(*(made(tmp_path, recipes, notes) for notes in told[:2]))
    assert one == two
    made_by = [notes for notes in told[:2] if "writing them" in notes]
    assert len(made_by) == 1
    assert await made(tmp_path, recipes, told[2]) == one
    assert told[2] == []
    with tarfile.open(one) as tar:
        assert len([name for name in tar.getnames() if name.endswith(".tar")]) == 2  # the one below is in both images


async def test_other_content_is_another_archive(maker: None, tmp_path: Path) -> None:
    one = await made(tmp_path, small(tmp_path, "a"), [])
    two = await made(tmp_path, small(tmp_path, "b"), [])
    assert one != two
    assert one.exists()


async def test_what_fails_leaves_no_archive_and_is_made_once_it_is_mended(maker: None, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"one\.Dockerfile:2: RUN fails"):
        await made(tmp_path, small(tmp_path, "a", "RUN true"), [])
    cache = tmp_path / "cache/deplite/images"
    assert list(cache.glob("*.tar")) == []
    assert await made(tmp_path, small(tmp_path, "a"), []) in cache.iterdir()
    assert list(cache.glob("*.new")) == []
