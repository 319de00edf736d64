"""The state folder: one process uses it, its files are the owner's alone, and what is damaged is said."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.keys import public_pem
from deplite_agent.errors import StateError
from deplite_agent.identity import Enrolled, Identity, StateFolder
from tests.unit.agent.disks import full_disk

SERVER = Ed25519PrivateKey.generate()
ENROLLED = Enrolled(agent_id="ag-1", organization_id="org-1", server_public_key=public_pem(SERVER.public_key()))


def opened(path: Path) -> StateFolder:
    folder = StateFolder(path)
    folder.open()
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_of_it_is_the_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = opened(tmp_path / "a" / "state")
        folder.key()
        folder.save(ENROLLED)
        folder.spend("enr_a")
    finally:
        os.umask(before)
    assert [mode(folder.path), mode(folder.jobs)] == [0o700, 0o700]
    assert {path.name: mode(path) for path in folder.path.iterdir() if path.is_file()} == {
        "key.pem": 0o600,
        "identity.json": 0o600,
        "spent-codes": 0o600,
        "lock": 0o600,
    }


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first = opened(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StateError, match=r"^Another agent uses "):
        opened(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
    assert first._lock is not None
    os.close(first._lock)
    opened(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"cannot be used \(Not a directory\); set DEPLITE_STATE_DIR\.$"):
        opened(tmp_path / "file" / "state")


def test_the_key_is_made_once(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    assert folder.key().private_bytes_raw() == folder.key().private_bytes_raw()


def test_who_this_is_comes_back(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    assert folder.enrolled() is None
    folder.key()
    folder.save(ENROLLED)
    assert folder.enrolled() == ENROLLED
    identity = Identity(key=folder.key(), enrolled=ENROLLED)
    assert identity.server_key.public_bytes_raw() == SERVER.public_key().public_bytes_raw()


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    with full_disk():
        with pytest.raises(StateError, match=r"key\.pem cannot be used \(File too large\)\.$"):
            folder.key()
        with pytest.raises(
            StateError, match=r"identity\.json cannot be written \(File too large\); start again soon\.$"
        ):
            folder.save(ENROLLED)
    assert folder.enrolled() is None
    assert folder.key()


GOOD = '{"agent_id": "ag-1", "organization_id": "o", "server_public_key": "x"}'


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", GOOD, GOOD.replace('"ag-1"', "7"), "[" * 100_000, "\ufffe"])
def test_a_damaged_identity_is_said(tmp_path: Path, text: str) -> None:
    folder = opened(tmp_path)
    (tmp_path / "identity.json").write_text(text)
    with pytest.raises(StateError, match=r"identity\.json is damaged; remove identity\.json and key\.pem from "):
        folder.enrolled()


def test_a_damaged_or_missing_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.save(ENROLLED)
    with pytest.raises(StateError, match=r"key\.pem is missing; remove .*identity\.json too"):
        folder.key()
    (tmp_path / "key.pem").write_text("x")
    with pytest.raises(StateError, match=r"key\.pem is damaged"):
        folder.key()
    assert (tmp_path / "key.pem").read_text() == "x"


def test_a_revoked_agent_forgets_who_it_was_and_keeps_its_journals_and_which_codes_are_spent(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.key()
    folder.save(ENROLLED)
    folder.spend("enr_a")
    folder.forget()
    folder.forget()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs", "lock", "spent-codes"]
    assert folder.spent("enr_a")


def test_a_code_is_known_by_its_digest(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    for code in ("enr_a", "enr_b", "enr_a"):
        folder.spend(code)
    assert [folder.spent(code) for code in ("enr_a", "enr_b", "enr_c")] == [True, True, False]
    assert [len(line) for line in (tmp_path / "spent-codes").read_text().splitlines()] == [64, 64]
    assert "enr_" not in (tmp_path / "spent-codes").read_text()


def test_a_disk_that_does_not_take_it_is_said_and_no_reason_to_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = opened(tmp_path)
    with full_disk():
        folder.spend("enr_a")
    assert "spent-codes cannot be written (File too large)." in caplog.text
    assert not folder.spent("enr_a")
    (tmp_path / "spent-codes").mkdir()
    with pytest.raises(StateError, match=r"spent-codes cannot be read \(Is a directory\)\.$"):
        folder.spent("enr_a")
