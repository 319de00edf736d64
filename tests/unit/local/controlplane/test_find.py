"""Where the programs of the control plane are looked for, and in which order."""

from pathlib import Path

import pytest

from deplite.local.controlplane import find
from deplite.local.controlplane.find import NAMES, cache_folder, find_or_build, search


def put(folder: Path, *names: str, mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
        (folder / name).chmod(mode)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}


def test_nothing_is_found_where_nothing_is(environment: dict[str, str]) -> None:
    assert search(environment) == {}


def test_the_cache_is_where_the_specification_says(tmp_path: Path, environment: dict[str, str]) -> None:
    assert cache_folder(environment) == tmp_path / "cache" / "deplite" / "kubernetes-1.36.2"
    assert cache_folder({"HOME": "/h"}) == Path("/h/.cache/deplite/kubernetes-1.36.2")
    assert cache_folder({"HOME": "/h", "XDG_CACHE_HOME": "relative"}) == Path("/h/.cache/deplite/kubernetes-1.36.2")


def test_the_assets_of_envtest_come_before_the_cache(tmp_path: Path, environment: dict[str, str]) -> None:
    cache = put(cache_folder(environment), *NAMES)
    assets = put(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    assert search(environment | {"KUBEBUILDER_ASSETS": str(assets)}) == {
        "etcd": assets / "etcd",
        "kube-apiserver": assets / "kube-apiserver",
        "kube-controller-manager": cache / "kube-controller-manager",
    }


def test_a_file_that_cannot_be_executed_is_no_program(environment: dict[str, str]) -> None:
    put(cache_folder(environment), *NAMES, mode=0o644)
    assert search(environment) == {}


async def test_nothing_is_built_when_all_is_there(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    cache = put(cache_folder(environment), *NAMES)
    monkeypatch.setitem(__import__("sys").modules, "deplite.local.controlplane.build", None)  # importing it would fail
    reports: list[object] = []
    binaries = await find_or_build(lambda *report: reports.append(report), environment)
    assert binaries == find.Binaries(*(cache / name for name in NAMES))
    assert reports == []


async def test_only_the_controller_manager_is_built_beside_envtest(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from deplite.local.controlplane import build

    asked = []

    async def fake(names: list[str], target: Path, *rest: object) -> dict[str, Path]:
        asked.append((names, target))
        return {name: target / name for name in names}

    monkeypatch.setattr(build, "build", fake)
    assets = put(tmp_path / "assets", "etcd", "kube-apiserver")
    binaries = await find_or_build(environment=environment | {"KUBEBUILDER_ASSETS": str(assets)})
    assert asked == [(["kube-controller-manager"], cache_folder(environment))]
    assert binaries.etcd == assets / "etcd"
    assert binaries.kube_controller_manager == cache_folder(environment) / "kube-controller-manager"
