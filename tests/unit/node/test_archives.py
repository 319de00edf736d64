"""What a machine must have for making images, and how that is said."""

import os

import pytest

from tests.node.images import __main__ as command
from tests.node.images import missing


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert missing() == "our images are made on Linux by root"


def test_without_a_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing() == (
        "our images need libc-bin, mmdebstrap, mount, util-linux: apt-get install libc-bin mmdebstrap mount util-linux"
    )


@pytest.mark.parametrize(("variables", "code"), [({}, 0), ({"DEPLITE_REQUIRE_ALL": "1"}, 1)])
def test_a_person_may_go_without_images_and_ci_may_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str], code: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("DEPLITE_REQUIRE_ALL", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert command.main(["application"]) == code
    assert capsys.readouterr() == ("", "our images are made on Linux by root\n")
