"""Every setting of a part has a way into its pod, and what the chart says the part accepts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deplite_apiserver.settings import load_settings
from deplite_operator.settings import Settings
from tests.chart.chart import CHART, FILES, Object, environment, of_kind, pods

ROOT = CHART.parents[1]
NOT_IN_A_POD = {
    "KUBECONFIG": "a pod has its ServiceAccount",
    "DEPLITE_SHARED_LISTEN": "of replicas on one machine; in a cluster the Service does that",
}


@pytest.mark.parametrize("part", ["apiserver", "operator"])
def test_every_variable_has_a_way_into_the_pod(rendered: dict[str, list[Object]], part: str) -> None:
    source = (ROOT / part / f"deplite_{part}" / "settings.py").read_text()
    read = set(re.findall(r"\b(?:DEPLITE_[A-Z0-9_]+|KUBECONFIG)\b", source)) - set(NOT_IN_A_POD)
    given = environment(pods(rendered["production"])[f"deplite-{part}"])
    assert read - set(given) == set()
    assert {name for name in given if name.startswith("DEPLITE_")} - read == set()


@pytest.mark.parametrize("name", FILES)
def test_the_operator_accepts_its_settings(rendered: dict[str, list[Object]], name: str) -> None:
    settings = Settings.from_environment(environment(pods(rendered[name])["deplite-operator"]))
    assert settings.system_namespace == "deplite-system"
    assert settings.probe_port == 8081


@pytest.mark.parametrize("name", FILES)
def test_the_apiserver_accepts_its_settings(rendered: dict[str, list[Object]], tmp_path: Path, name: str) -> None:
    given = mounted(rendered[name], tmp_path)
    settings = load_settings(given)
    assert (settings.listen_port, settings.kubeconfig) == (8080, None)
    assert (settings.redis is None) == (name == "smallest")
    assert (settings.slack is None) == (name != "production")
    assert settings.public_url == {
        "production": "https://api.example.com",
        "gateway": "https://hooks.example.com",
    }.get(name, "http://deplite-apiserver.deplite-system.svc")


def test_numbers_arrive_as_they_were_said(rendered: dict[str, list[Object]]) -> None:
    given = environment(pods(rendered["production"])["deplite-apiserver"])
    assert given["DEPLITE_MAX_STORAGE_BYTES"] == "1099511627776"
    assert given["DEPLITE_LOST_SECONDS"] == "300"
    assert given["DEPLITE_TRUSTED_PROXIES"] == "10.0.0.0/8,fd00::/8"


def test_the_cluster_is_believed_unless_switched_off(rendered: dict[str, list[Object]]) -> None:
    def issuers(name: str) -> Any:
        found = of_kind(rendered[name], "ConfigMap")["deplite-system/deplite-apiserver"]
        return [entry["issuer"] for entry in json.loads(found["data"]["issuers.json"])]

    assert issuers("smallest") == ["https://kubernetes.default.svc.cluster.local"]
    assert issuers("gateway") == ["https://login.example.com"]
    assert issuers("production")[1:] == ["https://login.example.com", "https://offline.example.com"]


def mounted(objects: list[Object], folder: Path) -> dict[str, str]:
    """Return the environment of the apiserver, with the files that its pod would have in a folder."""
    template = pods(objects)["deplite-apiserver"]
    for path, text in _files(objects, template):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return {name: _there(value, folder) for name, value in environment(template).items()}


def _there(value: str, folder: Path) -> str:
    return str(folder / value.removeprefix("/etc/deplite/")) if value.startswith("/etc/deplite/") else value


def _files(objects: list[Object], template: Object) -> Iterator[tuple[str, str]]:
    """Yield path and content of the files of the projected volume; an authority's is one that a machine has."""
    (volume,) = (one for one in template["spec"]["volumes"] if one["name"] == "settings")
    maps = of_kind(objects, "ConfigMap")
    for source in volume["projected"]["sources"]:
        if "configMap" in source:
            data = maps[f"deplite-system/{source['configMap']['name']}"]["data"]
            yield from ((name, text.replace("/etc/deplite/", "")) for name, text in data.items())
        else:
            for item in source["secret"]["items"]:
                yield item["path"], AUTHORITY if item["path"].endswith(".crt") else "a-secret"


AUTHORITY = next(
    path.read_text()
    for path in (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/ssl/cert.pem"))
    if path.exists()
)
