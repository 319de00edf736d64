"""Settings: where everything is by default, and one sentence that names the variable for each mistake."""

from pathlib import Path

import pytest

from deplite_agent.errors import SettingsError
from deplite_agent.settings import load_settings

URL = {"DEPLITE_URL": "https://deplite.example.com/v1/"}


def test_defaults_of_root_and_of_a_user() -> None:
    root = load_settings(URL, root=True)
    assert root.url == "https://deplite.example.com/v1"
    assert (root.state, root.workflows, root.secrets) == (
        Path("/var/lib/deplite-agent"),
        Path("/etc/deplite/workflows"),
        Path("/etc/deplite/secrets"),
    )
    user = load_settings(URL | {"HOME": "/home/u"}, root=False)
    assert (user.state, user.workflows, user.secrets) == (
        Path("/home/u/.local/state/deplite-agent"),
        Path("/home/u/.config/deplite/workflows"),
        Path("/home/u/.config/deplite/secrets"),
    )
    xdg = load_settings(URL | {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}, root=False)
    assert (xdg.state, xdg.workflows) == (Path("/s/deplite-agent"), Path("/c/deplite/workflows"))


def test_secrets_are_beside_the_workflows_unless_said_otherwise() -> None:
    assert load_settings(URL | {"DEPLITE_WORKFLOWS_DIR": "/w/flows"}).secrets == Path("/w/secrets")
    assert load_settings(URL | {"DEPLITE_WORKFLOWS_DIR": "/w", "DEPLITE_SECRETS_DIR": "/x"}).secrets == Path("/x")
    assert load_settings(URL | {"DEPLITE_STATE_DIR": "here"}).state == Path.cwd() / "here"


def test_the_enrolment_code_is_in_no_text() -> None:
    settings = load_settings(URL | {"DEPLITE_TOKEN": "enr_topsecret"})
    assert settings.token == "enr_topsecret"
    assert "topsecret" not in repr(settings)
    assert load_settings(URL | {"DEPLITE_TOKEN": ""}).token is None


def test_a_code_or_a_file_with_one_but_not_both() -> None:
    assert load_settings(URL | {"DEPLITE_TOKEN_FILE": "/run/token"}).token_file == Path("/run/token")
    assert load_settings(URL | {"DEPLITE_TOKEN_FILE": ""}).token_file is None
    assert load_settings(URL | {"DEPLITE_TOKEN_FILE": "", "DEPLITE_TOKEN": "enr_x"}).token == "enr_x"
    with pytest.raises(SettingsError, match=r"^DEPLITE_TOKEN and DEPLITE_TOKEN_FILE are both set") as caught:
        load_settings(URL | {"DEPLITE_TOKEN_FILE": "/run/token", "DEPLITE_TOKEN": "enr_topsecret"})
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("", "deplite.example.com", "ftp://x", "http://", "http://["),
        *("http://h:99999", "http://h:x", "http://a b", "http://h/?q=1", "http://h/#f", "http://h\n"),
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^Set DEPLITE_URL to the server's address"):
        load_settings({"DEPLITE_URL": url})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://h", "http://[::1]:80/api", "https://h/v1"])
def test_an_address_that_is_one(url: str) -> None:
    assert load_settings({"DEPLITE_URL": url}).url == url


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEPLITE_CONCURRENCY", "0"),
        ("DEPLITE_CONCURRENCY", "-1"),
        ("DEPLITE_CONCURRENCY", "1.5"),
        ("DEPLITE_CONCURRENCY", "٣"),
        ("DEPLITE_DRAIN_SECONDS", "soon"),
        ("DEPLITE_GRACE_SECONDS", "9" * 5000),
        ("DEPLITE_DELIVERY_SECONDS", "-1"),
        ("DEPLITE_TOKEN_FILE", "~nobody-of-that-name/x"),
        ("DEPLITE_SCAN_SECONDS", "0"),
        ("DEPLITE_LOG_FORMAT", "xml"),
        ("DEPLITE_STATE_DIR", "~nobody-of-that-name/x"),
    ],
)
def test_a_wrong_value_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable} "):
        load_settings(URL | {variable: value})
