"""The images that stand for what the chart bundles: named as in its values, with what its pods start."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.node.images import APPLICATION, SYSTEM, archives
from tests.node.images.recipes import RECIPES, ROOT, VALUES
from tests.node.images.trial.unpacked import Unpacked

Unpack = Callable[[str], Unpacked]


def test_the_images_are_named_as_the_chart_names_them() -> None:
    release = yaml.safe_load((ROOT / "charts/deplite/Chart.yaml").read_text())["appVersion"]
    named = {
        f"{VALUES[part]['image']['repository']}:{VALUES[part]['image']['tag'] or release}"
        for part in ("apiserver", "operator", "valkey", "seaweedfs")
    }
    agents = {f"deplite/agent:{release}", "deplite-node/agent-with-tools:1", "deplite-node/agent-with-workflows:1"}
    assert named | agents == {recipe.name for recipe in RECIPES if recipe.group == APPLICATION}
    assert {recipe.name for recipe in RECIPES if recipe.group == SYSTEM} == {
        "deplite-node/pause:1",
        "deplite-node/coredns:1",
    }


@pytest.mark.parametrize(
    ("part", "command", "user"),
    [("valkey", ["valkey-server", "--version"], "999"), ("seaweedfs", ["weed", "version"], "1000")],
)
def test_the_program_of_a_bundled_part_runs_as_any_user(
    unpacked: Unpack, part: str, command: list[str], user: str
) -> None:
    image = unpacked(f"{VALUES[part]['image']['repository']}:{VALUES[part]['image']['tag']}")
    image.config["User"] = f"{user}:{user}"  # as the pod says
    done = image.run(*command)
    assert done.returncode == 0, done.stderr
    assert VALUES[part]["image"]["tag"] in done.stdout
    assert (image.folder / "data").is_dir()


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [("pause", ["/pause", "-version"], "pause 1"), ("coredns", ["/coredns", "-version"], "CoreDNS-")],
)
async def test_the_images_of_a_node_are_one_static_program(
    maker: None, session_folder: Path, name: str, command: list[str], said: str
) -> None:
    archive = (await archives([SYSTEM]))[f"deplite-node/{name}:1"]
    image = Unpacked(archive, f"deplite-node/{name}:1", session_folder / "images" / name)
    assert [path.name for path in image.folder.rglob("*")] == [name]
    assert image.config["Entrypoint"] == [f"/{name}"]
    assert image.config["User"].split(":")[0] != "0"
    done = image.run(*command)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
