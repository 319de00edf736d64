"""The images, made once a session; what this machine lacks for that is said in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.lacking import skip_for
from tests.node.images import APPLICATION, archives, missing
from tests.node.images.trial.unpacked import Unpacked


@pytest.fixture(scope="session")
def maker() -> None:
    """This machine can make images."""
    skip_for(missing())


@pytest_asyncio.fixture(scope="session")
async def application(maker: None) -> dict[str, Path]:
    """The archive of each image but those of the node itself."""
    return await archives([APPLICATION])


@pytest.fixture(scope="session")
def unpacked(application: dict[str, Path], session_folder: Path) -> Callable[[str], Unpacked]:
    """Lays out an image by its name, once a session."""
    known: dict[str, Unpacked] = {}

    def unpack(name: str) -> Unpacked:
        if name not in known:
            known[name] = Unpacked(application[name], name, session_folder / "images" / name.replace(":", "-"))
        return known[name]

    return unpack
