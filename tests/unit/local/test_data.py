"""The data folder: layout, state, examples, ports and what is alive."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deplite.local import liveness, ports
from deplite.local.errors import LocalError
from deplite.local.examples import copy_examples
from deplite.local.layout import Layout, write_private
from deplite.local.state import PartState, State, read_state, write_state


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.at(tmp_path / "data").make()


def test_the_folder_is_private_even_if_it_was_there(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    Layout.at(tmp_path / "data").make()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "env"
    write_private(path, "old")
    write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["env"]


def test_the_state_is_read_back(layout: Layout) -> None:
    assert read_state(layout) == State()
    part = PartState(name="etcd", pid=7, birth="42", address=None, log="etcd.log", restarts=2)
    state = State(organization="org-demo", agent_id="ag-x", ports={"apiserver": 4711}, supervisor=part, parts=(part,))
    write_state(layout, state)
    assert read_state(layout) == state


def test_a_damaged_state_is_one_sentence(layout: Layout) -> None:
    layout.state.write_text("{")
    with pytest.raises(LocalError, match="is damaged; remove it"):
        read_state(layout)


def test_examples_are_copied_once_and_changes_stay(layout: Layout) -> None:
    copy_examples(layout)
    workflow = layout.workflows / "deploy-prod.yaml"
    workflows = {"deploy-prod.yaml", "machine-report.yaml", "smoke-test.yaml"}
    assert {path.name for path in layout.workflows.iterdir()} == workflows
    assert (layout.secrets / "DATABASE_URL").stat().st_mode & 0o777 == 0o600
    workflow.write_text("mine")
    copy_examples(layout)
    assert workflow.read_text() == "mine"


def test_ports_are_chosen_once() -> None:
    chosen = ports.choose(("a", "b"), {"a": 4711})
    assert chosen["a"] == 4711
    assert ports.choose(("a", "b"), chosen) == chosen
    assert ports.is_free(chosen["b"])


def test_a_port_that_is_chosen_is_handed_to_nobody_else_meanwhile() -> None:
    assert max(ports.choose((f"p{number}" for number in range(50)), {}).values()) < 32768
    assert len(set(ports.choose((f"p{number}" for number in range(50)), {}).values())) == 50


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server((ports.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} of apiserver is in use: .* --port N"):
            ports.check_free({"apiserver": port}, "state.json")


def test_a_pid_that_was_given_away_is_not_ours() -> None:
    assert liveness.is_alive(os.getpid(), liveness.birth(os.getpid()))
    assert not liveness.is_alive(os.getpid(), "another moment")
    assert not liveness.is_alive(None, "")


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = liveness.birth(child.pid)
    assert liveness.is_alive(child.pid, born)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not liveness.is_alive(child.pid, born)
    assert not liveness.send(child.pid, born, 0)
    child.communicate()
