"""Files that are whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from deplite_agent.files import make_private, reserve, write_whole


def test_a_file_is_replaced_whole_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_file_that_cannot_be_replaced_is_left_alone_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    (taken / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(taken, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_full_disk_is_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    """/dev/full refuses every byte as a full disk does."""
    path = tmp_path / "shipped"
    path.write_bytes(b"old")
    (tmp_path / ".shipped.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["shipped"]


def test_a_reserve_takes_up_what_it_says(tmp_path: Path) -> None:
    reserve(tmp_path / "reserve", 65_536)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 65_536


def test_a_private_folder_is_closed_to_others_even_if_it_was_open(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    make_private(tmp_path / "a")
    make_private(tmp_path / "b" / "c")
    assert [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("a", "b/c")] == [0o700, 0o700]
