"""A proxy of the environment is never used for this machine."""

from urllib.request import proxy_bypass_environment

import pytest

from deplite.proxies import spare_loopback


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_loopback_is_spared_where_there_is_a_proxy(name: str) -> None:
    environment = {name: "http://proxy.test:3128"}
    spare_loopback(environment)
    assert environment["no_proxy"] == environment["NO_PROXY"] == "localhost,127.0.0.1,::1"


def test_what_was_spared_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": ".corp.test, 127.0.0.1"}
    spare_loopback(environment)
    assert environment["no_proxy"] == environment["NO_PROXY"] == ".corp.test,127.0.0.1,localhost,::1"
    spare_loopback(environment)
    assert environment["no_proxy"] == ".corp.test,127.0.0.1,localhost,::1"
    proxies = {"no": environment["no_proxy"]}
    assert all(proxy_bypass_environment(host, proxies) for host in ("127.0.0.1:80", "localhost", "git.corp.test"))
    assert not proxy_bypass_environment("slack.com", proxies)


def test_the_small_one_is_the_one_that_counts() -> None:
    environment = {"http_proxy": "http://proxy.test:3128", "no_proxy": "a.test", "NO_PROXY": "b.test"}
    spare_loopback(environment)
    assert environment["NO_PROXY"].startswith("a.test,")


def test_without_a_proxy_nothing_changes() -> None:
    environment = {"NO_PROXY": "a.test", "HTTPS_PROXY": ""}
    spare_loopback(environment)
    assert environment == {"NO_PROXY": "a.test", "HTTPS_PROXY": ""}
