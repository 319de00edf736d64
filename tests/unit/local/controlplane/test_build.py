"""The build of the control plane, with a `go` of our own that says what the real one says."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from deplite.local.controlplane import build as building
from deplite.local.controlplane.build import build, build_command, list_command
from deplite.local.controlplane.find import NAMES, VERSION
from deplite.local.controlplane.recipe import Recipe
from deplite.local.errors import BuildError, MissingError

GO = r"""#!/bin/sh
echo "$1" >> "$CALLS"
case "$1" in
env) echo go1.26.8 ;;
list)
    echo "go: downloading k8s.io/api v0.36.2" >&2
    printf 'unsafe\nruntime\nk8s.io/api/core/v1\n' ;;
build)
    [ -n "$HANG" ] && { echo $$ > "$HANG"; exec sleep 60; }
    [ -n "$FAIL" ] && { echo runtime >&2; echo "k8s.io/api/x.go:1:2: no space left on device" >&2; exit 1; }
    printf 'runtime\nk8s.io/api/core/v1\n' >&2
    mkdir -p "$GOMODCACHE" "$GOCACHE"
    while [ "$1" != -o ]; do shift; done
    for package in $3 $4 $5; do
        name=$(basename "$package")
        [ "$name" = v3 ] && name=server
        printf '#!/bin/sh\n' > "$2$name"
        chmod +x "$2$name"
    done ;;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(GO)
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "CALLS": str(tmp_path / "calls"), "HOME": str(tmp_path)}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "kubernetes"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def ignore(done: float, total: float, note: str) -> None:
    pass


def test_the_command_is_the_documented_one() -> None:
    command = build_command(Path("/go"), NAMES, Path("/out"))
    assert command == (
        *("/go", "build", "-v", "-mod=readonly", "-modcacherw", "-buildvcs=false", "-trimpath"),
        *("-gcflags", "all=-dwarf=false"),
        *("-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.2", "-o", "/out/"),
        "go.etcd.io/etcd/server/v3",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    )
    assert list_command(Path("/go"), ["kube-controller-manager"])[-1] == "k8s.io/kubernetes/cmd/kube-controller-manager"


def test_the_pinned_sources_are_of_the_version_that_is_stamped() -> None:
    module = (Path(building.__file__).parent / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{VERSION} " in module


async def test_the_programs_come_into_the_cache_and_nothing_else_stays(
    environment: dict[str, str], target: Path
) -> None:
    reports: list[tuple[float, float, str]] = []
    built = await build(NAMES, target, environment, lambda *report: reports.append(report))
    assert built == {name: target / name for name in NAMES}
    assert names_in(target) == sorted(NAMES)
    assert names_in(target.parent) == ["kubernetes", "kubernetes.lock"]
    fractions = [done / total for done, total, _ in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert "downloading modules, 1 so far" in [note for *_, note in reports]


async def test_caches_that_builds_share_outlast_them(environment: dict[str, str], target: Path, tmp_path: Path) -> None:
    caches = tmp_path / "shared"
    await build(NAMES, target, environment, ignore, caches=caches)
    assert names_in(caches) == ["cache", "modules"]
    assert names_in(target.parent) == ["kubernetes", "kubernetes.lock"]


async def test_a_recipe_may_have_sources_in_folders(environment: dict[str, str], target: Path, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    (sources / "pause").mkdir(parents=True)
    for name in ("go.mod", "pause/main.go"):
        (sources / name).write_text("")
    recipe = Recipe(title="pause", sources=sources, packages={"pause": "./pause"}, files=("go.mod", "pause/main.go"))
    built = await build(["pause"], target, environment, ignore, recipe)
    assert built == {"pause": target / "pause"}


async def test_what_an_interrupted_build_left_is_removed_first(environment: dict[str, str], target: Path) -> None:
    rest = target.with_name("kubernetes.build") / "out"
    rest.mkdir(parents=True)
    (rest / "kube-apiserver").write_text("half of it")
    built = await build(["kube-apiserver"], target, environment, ignore)
    assert built["kube-apiserver"].read_text() == "#!/bin/sh\n"


async def test_an_interrupted_build_kills_go_and_the_next_one_succeeds(
    environment: dict[str, str], target: Path, tmp_path: Path
) -> None:
    started = tmp_path / "pid"
    task = asyncio.create_task(build(NAMES, target, environment | {"HANG": str(started)}, ignore))
    while not (started.exists() and started.read_text().strip()):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not runs(started.read_text())
    assert names_in(target) == []
    assert set(await build(NAMES, target, environment, ignore)) == set(NAMES)


async def test_a_failure_says_what_go_said(environment: dict[str, str], target: Path) -> None:
    with pytest.raises(BuildError, match="no space left on device") as failure:
        await build(NAMES, target, environment | {"FAIL": "1"}, ignore)
    assert "runtime" not in str(failure.value)
    assert names_in(target) == []


async def test_two_builds_wait_on_each_other_and_the_second_finds_the_programs(
    environment: dict[str, str], target: Path, tmp_path: Path
) -> None:
    await asyncio.gather(*(build(NAMES, target, environment, ignore) for _ in range(2)))
    assert (tmp_path / "calls").read_text().split().count("build") == 1


async def test_a_build_waits_for_the_one_of_another_process(environment: dict[str, str], target: Path) -> None:
    target.parent.mkdir(parents=True)
    notes: list[str] = []
    with FileLock(target.with_name("kubernetes.lock")):
        task = asyncio.create_task(build(NAMES, target, environment, lambda *report: notes.append(report[2])))
        async with asyncio.timeout(60):
            while not notes:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        assert set(notes) == {"waiting for the build that another process has begun"}
    assert set(await task) == set(NAMES)


async def test_too_little_disk_is_said_before_anything_is_done(
    environment: dict[str, str], target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=4_900_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(MissingError, match=r"needs 5 GB of disk .* has 4\.9 GB: free some, or set XDG_CACHE_HOME"):
        await build(NAMES, target, environment, ignore)
    assert (tmp_path / "calls").read_text().split() == ["env"]
