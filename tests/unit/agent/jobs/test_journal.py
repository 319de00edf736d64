"""A job's journal: its life, what is found in it after a crash, and what a bad disk can do to it (F15)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deplite_agent.jobs.journal import Journal, Life, State, advance
from deplite_agent.jobs.result import Result, crashed
from deplite_agent.records import RecordFile, encode_record
from tests.unit.agent.builders import order
from tests.unit.agent.disks import cut, flip, full_disk, last_lines

SUCCESS = Result(status="success", exit_code=0, output={"url": "https://x"})
FAILED = Result(status="failed", reason="exit_code", exit_code=3, message="no")
KEY = "j-1-u1234567"


def begin(jobs: Path) -> Journal:
    return Journal.create(jobs, order(ref="main", params={"n": 1}), "i1")


def written(jobs: Path, state: State, *, starts: int = 1, log: bool = True) -> Journal:
    """A journal that came as far as a state; a job that started has a log."""
    journal = begin(jobs)
    states = list(State)
    reached = states[: states.index(state) + 1]
    if State.CLAIMED in reached:
        journal.claimed()
    if State.STARTING in reached:
        if log:
            journal.log_path.write_bytes(encode_record({"seq": 0}))
        for number in range(starts):
            journal.starting(100 + number)
    if State.EXITED in reached:
        journal.exited(SUCCESS)
    if State.REPORTED in reached:
        journal.reported()
    journal.close()
    return journal


@pytest.mark.parametrize("state", list(State))
def test_each_state_is_found_again_as_it_was_written(tmp_path: Path, state: State) -> None:
    before = written(tmp_path, state, starts=2).life
    found = Journal.read(tmp_path / KEY)
    assert found is not None
    assert found.life == before
    assert (before.state, before.instance, before.order) == (state, "i1", order(ref="main", params={"n": 1}))
    assert before.groups == ((100, 101) if state in (State.STARTING, State.EXITED, State.REPORTED) else ())
    assert (before.result == SUCCESS) is (state in (State.EXITED, State.REPORTED))


def test_a_claimed_job_with_a_log_may_have_started(tmp_path: Path) -> None:
    journal = written(tmp_path, State.CLAIMED)
    journal.log_path.write_bytes(b"x")
    found = Journal.read(tmp_path / KEY)
    assert found is not None
    assert found.life.state is State.STARTING


def test_a_reported_job_keeps_its_journal_and_the_numbers_that_are_taken_but_no_log(tmp_path: Path) -> None:
    journal = written(tmp_path, State.EXITED)
    journal.shipped_path.write_bytes(b"x")
    journal.reported()
    assert sorted(path.name for path in journal.folder.iterdir()) == ["journal", "shipped"]


def test_room_is_kept_until_the_steps_have_ended(tmp_path: Path) -> None:
    journal = written(tmp_path, State.STARTING)
    assert (journal.folder / "reserve").stat().st_size == 65_536
    journal.exited(SUCCESS)
    assert not (journal.folder / "reserve").exists()


def test_a_job_that_the_disk_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    with full_disk(1000), pytest.raises(OSError, match="File too large"):
        begin(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_the_disk_did_not_take_is_kept_in_memory_and_written_before_the_end(tmp_path: Path) -> None:
    journal = written(tmp_path, State.STARTING)
    with full_disk(journal.folder.joinpath("journal").stat().st_size):
        journal.exited(FAILED)
    assert (journal.life.state, journal.life.result) == (State.EXITED, FAILED)
    found = Journal.read(journal.folder)
    assert found is not None
    assert found.life.state is State.STARTING
    journal.reported()
    found = Journal.read(journal.folder)
    assert found is not None
    assert (found.life.state, found.life.result) == (State.REPORTED, FAILED)


def test_a_start_that_the_disk_did_not_take_is_an_error(tmp_path: Path) -> None:
    journal = written(tmp_path, State.CLAIMED)
    with full_disk(10), pytest.raises(OSError, match="File too large"):
        journal.starting(7)
    assert journal.life.state is State.CLAIMED
    journal.starting(8)
    journal.close()
    found = Journal.read(journal.folder)
    assert found is not None
    assert found.life.groups == (8,)


RESULT = SUCCESS.record()


@pytest.mark.parametrize(
    ("states", "record"),
    [
        ([State.CLAIMED, State.STARTING, State.EXITED, State.REPORTED], {"state": "claimed"}),
        ([State.ACCEPTED, State.EXITED, State.REPORTED], {"state": "starting", "group": 1}),
        ([State.EXITED, State.REPORTED], {"state": "exited", "result": RESULT}),
        ([State.ACCEPTED, State.CLAIMED, State.STARTING, State.REPORTED], {"state": "reported"}),
        (list(State), {"state": "accepted"}),
        (list(State), {"state": "starting", "group": "1"}),
        (list(State), {"state": "running"}),
        (list(State), {}),
    ],
)
def test_a_record_that_does_not_follow_is_none(states: list[State], record: dict[str, object]) -> None:
    for state in states:
        result = SUCCESS if state in (State.EXITED, State.REPORTED) else None
        with pytest.raises(ValueError, match="record"):
            advance(Life(order=order(), instance="i1", state=state, result=result), record)


def test_records_of_another_version_are_as_damaged_ones(tmp_path: Path) -> None:
    journal = written(tmp_path, State.CLAIMED)
    file = RecordFile(journal.folder / "journal")
    file.append([{"state": "exited", "result": {"colour": "red"}}])
    file.close()
    found = Journal.read(journal.folder)
    assert found is not None
    assert found.life.state is State.STARTING
    found.exited(crashed("x"))
    found.close()
    again = Journal.read(journal.folder)
    assert again is not None
    assert again.life.result == crashed("x")


def harms(path: Path) -> list[Callable[[Path], None]]:
    """Each cut, and a flipped bit, at each byte of the last three records."""
    found: list[Callable[[Path], None]] = []
    for at in last_lines(path):
        found.append(lambda target, at=at: cut(target, at))  # type: ignore[misc]
        found.append(lambda target, at=at: flip(target, at, at % 8))  # type: ignore[misc]
    return found


@pytest.mark.parametrize("state", [State.STARTING, State.EXITED, State.REPORTED])
@pytest.mark.parametrize("starts", [1, 3])
def test_f15_a_job_that_ever_started_is_never_found_unstarted(tmp_path: Path, state: State, starts: int) -> None:
    """Whatever byte the disk loses or changes; where it hides the result, none is made up."""
    folder = written(tmp_path, state, starts=starts).folder
    folder.joinpath("log").write_bytes(encode_record({"seq": 0}))
    sound = tmp_path / "sound"
    shutil.copytree(folder, sound)
    for harm in harms(sound / "journal"):
        shutil.copyfile(sound / "journal", folder / "journal")
        harm(folder / "journal")
        found = Journal.read(folder)
        if found is None:
            assert Journal.lost(folder)
            found = Journal.salvage(folder, order(), "i2")
        assert found.life.state in (State.STARTING, State.EXITED, State.REPORTED)
        assert found.life.result in (None, SUCCESS)
        assert (found.life.result is None) is (found.life.state is State.STARTING)


def test_f15_after_any_harm_the_journal_goes_on(tmp_path: Path) -> None:
    folder = written(tmp_path, State.STARTING).folder
    sound = tmp_path / "sound"
    shutil.copytree(folder, sound)
    for harm in harms(sound / "journal")[::5]:
        shutil.copyfile(sound / "journal", folder / "journal")
        harm(folder / "journal")
        found = Journal.read(folder) or Journal.salvage(folder, order(), "i2")
        found.exited(crashed("The agent ended."))
        found.close()
        again = Journal.read(folder)
        assert again is not None
        assert (again.life.state, again.life.result) == (State.EXITED, crashed("The agent ended."))


def test_groups_are_found_behind_a_damaged_record_too(tmp_path: Path) -> None:
    folder = written(tmp_path, State.STARTING, starts=3).folder
    second = folder.joinpath("journal").read_bytes().index(b"\n") + 20
    flip(folder / "journal", second, 0)
    found = Journal.read(folder)
    assert found is not None
    assert (found.life.state, found.life.groups) == (State.STARTING, (100, 101, 102))


def test_a_torn_first_record_of_a_job_that_was_never_claimed_promised_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path, State.ACCEPTED).folder
    size = folder.joinpath("journal").stat().st_size
    for at in reversed(range(size)):
        cut(folder / "journal", at)
        assert Journal.read(folder) is None
        assert not Journal.lost(folder)
    shutil.rmtree(folder)
    assert not Journal.lost(folder)
