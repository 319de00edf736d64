"""The Dockerfiles, read: nobody here has Docker, so what they rely on is held against the tree."""

import re
import tomllib

import pytest
import yaml

from tests.chart.chart import CHART, Helm, environment, pods

ROOT = CHART.parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PARTS = ("apiserver", "operator", "agent")


def instructions(part: str) -> list[tuple[str, str]]:
    text = (ROOT / part / "Dockerfile").read_text().replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]


def pins(name: str) -> set[tuple[str, str]]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("part", PARTS)
def test_an_image_runs_its_part_as_nobody(part: str) -> None:
    found = instructions(part)
    assert [value for name, value in found if name == "USER"] == ["65532:65532"]
    assert found[-1] == ("ENTRYPOINT", f'["deplite-{part}"]')
    assert f"deplite-{part}" in PROJECT["project"]["scripts"]


@pytest.mark.parametrize("part", PARTS)
def test_an_image_is_made_of_pinned_packages_and_files_that_are_there(part: str) -> None:
    found = instructions(part)
    installed = " ".join(value for name, value in found if name == "RUN")
    assert f"--require-hashes --only-binary=:all: -r requirements/{part}.txt" in installed
    copied = [word for name, value in found if name == "COPY" and "--from" not in value for word in value.split()[:-1]]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {path.split("/")[0] for path in copied} == kept
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {path.split("/")[0] for path in [*wheel["packages"], *wheel["force-include"]]} <= kept


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_locked_to_what_everything_is_locked_to(part: str) -> None:
    assert pins(part) - pins("local") == set()
    names = {name for name, _ in pins(part)}
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"][part]
    assert {re.split(r"[\[<>=,]", one)[0] for one in wanted} <= names


async def test_the_values_for_kind_fit_its_cluster(helm: Helm) -> None:
    objects = await helm.template("--values", str(CHART.parent / "kind.yaml"))
    mapped = yaml.safe_load((ROOT / "kind-config.yaml").read_text())["nodes"][0]["extraPortMappings"][0]
    service = next(one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Service", "deplite-apiserver"))
    assert service["spec"]["ports"][0]["nodePort"] == mapped["containerPort"]
    parts = pods(objects)
    url = environment(parts["deplite-apiserver"])["DEPLITE_PUBLIC_URL"]
    assert url == f"http://127.0.0.1:{mapped['hostPort']}"
    for part in ("apiserver", "operator"):
        (container,) = parts[f"deplite-{part}"]["spec"]["containers"]
        assert container["image"] == f"deplite/{part}:{PROJECT['project']['version']}"
        assert container["imagePullPolicy"] == "Never"
