"""One run at a time on a data folder, on the same ports, for the same organization."""

import io
import os
import socket
from pathlib import Path

import pytest
from rich.console import Console

from deplite.local.errors import LocalError
from deplite.local.layout import Layout
from deplite.local.ports import HOST
from deplite.local.progress import Steps
from deplite.local.session import Session, choose_organization
from deplite.local.state import read_state
from deplite.local.status import look


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.at(tmp_path)


def session(layout: Layout) -> Session:
    return Session(layout, Steps(Console(file=io.StringIO())))


def test_a_run_is_in_the_state_as_long_as_it_lasts(layout: Layout) -> None:
    with session(layout).opened(None, None, ("apiserver",)):
        running = read_state(layout)
        assert running.supervisor is not None
        assert running.supervisor.pid == os.getpid()
    ended = read_state(layout)
    assert ended.supervisor is None
    assert ended.ports == running.ports
    assert ended.organization == "org-demo"
    assert look(layout) == ()


def test_a_second_run_is_refused_in_one_sentence(layout: Layout) -> None:
    with session(layout).opened(None, None, ()):
        refused = pytest.raises(LocalError, match=rf"already runs on .* \(pid {os.getpid()}\): .*deplite down")
        with refused, session(layout).opened(None, None, ()):
            pass
        assert read_state(layout).supervisor is not None


def test_a_port_that_is_asked_for_is_kept(layout: Layout) -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with session(layout).opened(None, port, ("apiserver",)):
        pass
    assert read_state(layout).ports == {"apiserver": port}


def test_a_port_in_use_ends_the_run_before_it_begins(layout: Layout) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match="is in use"), session(layout).opened(None, port, ("apiserver",)):
            pass
    with session(layout).opened(None, None, ()):
        pass


@pytest.mark.parametrize(
    ("asked", "kept", "chosen"), [(None, "", "org-demo"), ("org-x", "", "org-x"), (None, "org-x", "org-x")]
)
def test_the_organization_is_the_one_of_the_first_run(asked: str | None, kept: str, chosen: str) -> None:
    assert choose_organization(asked, kept) == chosen


@pytest.mark.parametrize(
    ("asked", "kept", "sentence"), [("demo", "", "is no organization"), ("org-x", "org-y", "belongs to org-y")]
)
def test_another_organization_is_one_sentence(asked: str, kept: str, sentence: str) -> None:
    with pytest.raises(LocalError, match=sentence):
        choose_organization(asked, kept)
