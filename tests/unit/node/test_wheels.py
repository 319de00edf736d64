"""What a RUN installs: which lock files, and what of them is fetched."""

import pytest

from tests.node.images.recipes import ROOT
from tests.node.images.wheels import locks, whole


@pytest.mark.parametrize(
    ("command", "files"),
    [
        (
            "pip install -r one.txt && pip install --require-hashes --only-binary=:all: -r two.txt",
            ["one.txt", "two.txt"],
        ),
        ("pip install --requirement=/a/one.txt", ["/a/one.txt"]),
        ("pip install --requirement one.txt", ["one.txt"]),
        ("pip wheel --no-deps . && rm -rf /tmp/x-r y", []),
    ],
)
def test_lock_files_are_found_in_a_command(command: str, files: list[str]) -> None:
    assert locks(command) == files


def test_markers_are_for_the_python_in_the_image_to_judge() -> None:
    hashes = " \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n"
    lock = f"a==1 ; python_full_version < '3.11.3'{hashes}b[c]==2{hashes}"
    assert whole(lock) == f"a==1 {hashes}b[c]==2{hashes}".replace("a==1  ", "a==1 ")


@pytest.mark.parametrize("name", ["apiserver", "operator", "agent", "build"])
def test_of_our_lock_files_only_the_markers_go(name: str) -> None:
    lock = (ROOT / f"requirements/{name}.txt").read_text()
    assert ";" not in whole(lock)
    assert whole(lock).count("--hash=") == lock.count("--hash=") > 0
