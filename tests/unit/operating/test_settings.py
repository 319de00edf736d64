import pytest

from deplite_operator.settings import LeaseTimes, Settings, SettingsError

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
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(URL | {name: value})
