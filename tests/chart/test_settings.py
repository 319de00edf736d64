"""Every setting of a part has a way into its pod, and what the chart says the part accepts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deplite_apiserver.settings import load_settings
from deplite_operator.settings import AgentPods, Settings
from tests.chart.chart import CHART, FILES, Object, environment, of_kind, pods
from tests.chart.pods import mounted

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
    assert (settings.agents is None) == (name == "bare")


def test_agent_pods_reach_the_service_unless_said(rendered: dict[str, list[Object]]) -> None:
    def agents(name: str) -> AgentPods | None:
        return Settings.from_environment(environment(pods(rendered[name])["deplite-operator"])).agents

    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    inside = "http://deplite-apiserver.deplite-system.svc"
    assert agents("gateway") == AgentPods(image=f"deplite/agent:{version}", url=inside)
    assert agents("production") == AgentPods(
        image="mirror.example.com/path/deplite/agent:7", url="https://api.example.com", pull_policy="Always"
    )
    assert agents("ephemeral") == AgentPods(image=f"deplite/agent:{version}", url=inside, fixed_ids=False)


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
        "bare": "https://api.example.com",
    }.get(name, "http://deplite-apiserver.deplite-system.svc")


def test_numbers_arrive_as_they_were_said(rendered: dict[str, list[Object]]) -> None:
    given = environment(pods(rendered["production"])["deplite-apiserver"])
    assert given["DEPLITE_MAX_STORAGE_BYTES"] == "1099511627776"
    assert given["DEPLITE_LOST_SECONDS"] == "300"
    assert given["DEPLITE_DRAIN_SECONDS"] == "60"
    assert given["DEPLITE_TRUSTED_PROXIES"] == "10.0.0.0/8,fd00::/8"


def test_a_pod_has_the_time_that_draining_takes(rendered: dict[str, list[Object]]) -> None:
    for name, seconds in (("production", 88), ("trial", 33)):
        assert pods(rendered[name])["deplite-apiserver"]["spec"]["terminationGracePeriodSeconds"] == seconds


def test_the_cluster_is_believed_unless_switched_off(rendered: dict[str, list[Object]]) -> None:
    def issuers(name: str) -> Any:
        found = of_kind(rendered[name], "ConfigMap")["deplite-system/deplite-apiserver"]
        return [entry["issuer"] for entry in json.loads(found["data"]["issuers.json"])]

    assert issuers("smallest") == ["https://kubernetes.default.svc.cluster.local"]
    assert issuers("gateway") == ["https://login.example.com"]
    assert issuers("production")[1:] == ["https://login.example.com", "https://offline.example.com"]
