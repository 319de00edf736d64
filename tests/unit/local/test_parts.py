"""What `deplite up` passes on to the parts that it starts."""

from pathlib import Path

import pytest

from deplite.local import parts
from deplite.local.layout import Layout
from deplite.local.parts import _LIMITS
from deplite_apiserver.settings import _PLAIN, _SLACK_NEEDED, _SLACK_OPTIONAL

BOUNDS = ("lost_", "max_", "log_bytes", "log_burst", "log_requests")


def test_every_bound_of_the_apiserver_can_be_set_for_it() -> None:
    assert set(_LIMITS) == {variable for field, variable in _PLAIN.items() if field.startswith(BOUNDS)}


def apiserver(folder: Path) -> dict[str, str]:
    """Return the environment that the apiserver would be started with."""
    storage = parts.Storage("http://127.0.0.1:1", "b", "r", folder / "a", folder / "s")
    return dict(parts.apiserver(Layout(folder), 8080, folder / "k", folder / "i", storage).env)


def operator(folder: Path) -> dict[str, str]:
    return dict(parts.operator(Layout(folder), 8081, 8080, folder / "k").env)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a person who has set nothing of ours."""
    for name in (*_SLACK_NEEDED.values(), *_SLACK_OPTIONAL.values(), "DEPLITE_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_app_at_slack_is_passed_on_whole(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not [name for name in apiserver(tmp_path) if "SLACK" in name]
    bare.chdir(tmp_path)
    given = {"DEPLITE_SLACK_CLIENT_ID": "1.2", "DEPLITE_SLACK_URL": "https://slack.test"}
    given |= {"DEPLITE_SLACK_CLIENT_SECRET_FILE": "client", "DEPLITE_SLACK_SIGNING_SECRET_FILE": "/signing"}
    for name, value in given.items():
        bare.setenv(name, value)
    assert set(given) == {*_SLACK_NEEDED.values(), *_SLACK_OPTIONAL.values()}
    passed = {name: value for name, value in apiserver(tmp_path).items() if "SLACK" in name}
    assert passed == given | {"DEPLITE_SLACK_CLIENT_SECRET_FILE": str(tmp_path / "client")}
    assert not [name for name in operator(tmp_path) if "SLACK" in name]


def test_a_tunnels_address_is_what_others_are_told(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for environment in (apiserver(tmp_path), operator(tmp_path)):
        assert environment["DEPLITE_PUBLIC_URL"] == "http://127.0.0.1:8080"
    bare.setenv("DEPLITE_PUBLIC_URL", "https://tunnel.test")
    for environment in (apiserver(tmp_path), operator(tmp_path)):
        assert environment["DEPLITE_PUBLIC_URL"] == "https://tunnel.test"

    async def ready() -> bool:
        return True

    assert parts.agent(Layout(tmp_path), 8080, ready).env["DEPLITE_URL"] == "http://127.0.0.1:8080"


def test_a_proxy_leads_the_apiserver_out(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        bare.delenv(name, raising=False)
    assert not [name for name in apiserver(tmp_path) if "proxy" in name.lower()]
    given = {"https_proxy": "http://proxy.test:3128", "no_proxy": ".internal.test,127.0.0.1"}
    for name, value in given.items():
        bare.setenv(name, value)
    assert given.items() <= apiserver(tmp_path).items()
    assert not [name for name in operator(tmp_path) if "proxy" in name.lower()]


def test_a_replica_listens_by_itself_and_where_all_do_and_shares_a_redis(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    storage = parts.Storage("http://127.0.0.1:1", "b", "r", tmp_path / "a", tmp_path / "s")
    replica = parts.Replica(2, 8082, "redis://127.0.0.1:7", tmp_path / "password")
    program = parts.apiserver(Layout(tmp_path), 8080, tmp_path / "k", tmp_path / "i", storage, replica)
    assert (program.name, program.address) == ("apiserver-2", "http://127.0.0.1:8082")
    assert {name: value for name, value in program.env.items() if "LISTEN" in name or "REDIS" in name} == {
        "DEPLITE_LISTEN": "127.0.0.1:8082",
        "DEPLITE_SHARED_LISTEN": "127.0.0.1:8080",
        "DEPLITE_REDIS_URL": "redis://127.0.0.1:7",
        "DEPLITE_REDIS_PASSWORD_FILE": str(tmp_path / "password"),
    }
    assert program.env["DEPLITE_PUBLIC_URL"] == "http://127.0.0.1:8080"
    assert not [name for name in apiserver(tmp_path) if "SHARED" in name or "REDIS" in name]
