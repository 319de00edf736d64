import pytest

from deplite_operator.settings import AgentPods, LeaseTimes, Settings, SettingsError

URL = {"DEPLITE_PUBLIC_URL": "https://deplite.example/"}


def test_defaults_are_those_of_the_cluster() -> None:
    settings = Settings.from_environment(URL)
    assert settings == Settings(public_url="https://deplite.example")
    assert settings.lease == LeaseTimes(duration=15, renew=10, retry=2)
    assert (settings.system_namespace, settings.resync_seconds) == ("deplite-system", 60)


def test_each_variable_is_read() -> None:
    settings = Settings.from_environment(
        URL
        | {
            "DEPLITE_SYSTEM_NAMESPACE": "elsewhere",
            "DEPLITE_PROBE_LISTEN": "[::1]:8081",
            "DEPLITE_LEASE_SECONDS": "3/2/0.5",
            "DEPLITE_RESYNC_SECONDS": "2",
        }
    )
    assert (settings.system_namespace, settings.probe_host, settings.probe_port) == ("elsewhere", "::1", 8081)
    assert (settings.lease, settings.resync_seconds) == (LeaseTimes(duration=3, renew=2, retry=0.5), 2)


PODS = {"DEPLITE_AGENT_IMAGE": "deplite/agent:1", "DEPLITE_AGENT_URL": "http://deplite.example/"}


def test_without_an_image_and_an_address_there_are_no_pods() -> None:
    assert Settings.from_environment(URL).agents is None
    found = Settings.from_environment(URL | PODS).agents
    assert found == AgentPods(image="deplite/agent:1", url="http://deplite.example", pull_policy="IfNotPresent")
    more = {"DEPLITE_AGENT_IMAGE_PULL_POLICY": "Never", "DEPLITE_AGENT_FIXED_IDS": "false"}
    assert Settings.from_environment(URL | PODS | more).agents == AgentPods(
        image="deplite/agent:1", url="http://deplite.example", pull_policy="Never", fixed_ids=False
    )


@pytest.mark.parametrize("name", PODS)
def test_one_of_the_two_alone_is_named(name: str) -> None:
    (other,) = PODS.keys() - {name}
    with pytest.raises(SettingsError, match=other):
        Settings.from_environment(URL | {name: PODS[name]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEPLITE_PUBLIC_URL", ""),
        ("DEPLITE_PUBLIC_URL", "ftp://x"),
        ("DEPLITE_PROBE_LISTEN", "8081x"),
        ("DEPLITE_PROBE_LISTEN", "localhost:http"),
        ("DEPLITE_PROBE_LISTEN", "localhost:65536"),
        ("DEPLITE_LEASE_SECONDS", "15"),
        ("DEPLITE_LEASE_SECONDS", "10/15/2"),
        ("DEPLITE_LEASE_SECONDS", "15/10/0"),
        ("DEPLITE_RESYNC_SECONDS", "never"),
        ("DEPLITE_RESYNC_SECONDS", "0"),
        ("DEPLITE_AGENT_URL", "deplite.example"),
        ("DEPLITE_AGENT_IMAGE_PULL_POLICY", "Sometimes"),
        ("DEPLITE_AGENT_FIXED_IDS", "no"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(URL | PODS | {name: value})
