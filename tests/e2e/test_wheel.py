"""The built wheel alone, in an empty environment, runs everything: nothing is read from the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, read_env


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return next(folder.glob("deplite-*.whl"))


def run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_crds_rights_go_module_and_workflows_travel_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"deplite/data/crds/{path.name}" for path in (ROOT / "crds").glob("*.yaml")} <= names
    assert {f"deplite/rights/{path.name}" for path in (ROOT / "deplite" / "rights").glob("*.yaml")} <= names
    assert {f"deplite/data/workflows/{path.name}" for path in (ROOT / "examples" / "workflows").glob("*.yaml")} <= names
    assert {"deplite/local/controlplane/go.mod", "deplite/local/controlplane/go.sum"} <= names


@pytest.mark.timeout(1800)  # it installs all that the wheel needs
def test_the_wheel_alone_runs_a_deploy(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    pins = str(ROOT / "requirements" / "local.txt")
    run(str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pins)
    run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", str(wheel))
    deplite = str(python.parent / "deplite")
    data = tmp_path / "data"
    try:
        shown = run(deplite, "up", "--detach", "--data", str(data), cwd=tmp_path)
        assert "success" in shown
        assert read_env(data / "env")["DEPLITE_URL"].startswith("http://127.0.0.1:")
    finally:
        run(deplite, "down", "--data", str(data), cwd=tmp_path)
