"""Settings from the environment; a wrong one is named."""

from pathlib import Path
from typing import Any

import pytest

from deplite.local.authority import make_pair
from deplite_apiserver.settings import Settings, SettingsError, load_settings
from deplite_apiserver.shared.settings import RedisAddress

S3 = {
    "DEPLITE_S3_ENDPOINT": "http://127.0.0.1:9000",
    "DEPLITE_S3_BUCKET": "logs",
    "DEPLITE_S3_ACCESS_KEY_FILE": __file__,
    "DEPLITE_S3_SECRET_KEY_FILE": __file__,
}
SLACK = {
    "DEPLITE_SLACK_CLIENT_ID": "123.456",
    "DEPLITE_SLACK_CLIENT_SECRET_FILE": __file__,
    "DEPLITE_SLACK_SIGNING_SECRET_FILE": __file__,
}


def test_the_defaults() -> None:
    settings = load_settings(S3)
    assert (settings.listen_host, settings.listen_port) == ("127.0.0.1", 8080)
    assert settings.public_url == "http://127.0.0.1:8080"
    assert (settings.system_namespace, settings.log_format) == ("deplite-system", "json")
    assert (settings.kubeconfig, settings.issuers, settings.s3.region) == (None, (), "us-east-1")
    assert (settings.s3.public_endpoint, settings.s3.style, settings.s3.ca_file) == (None, "path", None)


def test_an_empty_variable_is_none() -> None:
    names = ("LISTEN", "PUBLIC_URL", "SYSTEM_NAMESPACE", "S3_REGION", "LOG_FORMAT", "MAX_OBJECTS", "LOST_SECONDS")
    assert load_settings(S3 | {f"DEPLITE_{name}": "" for name in names}) == load_settings(S3)


def test_the_url_is_where_it_listens_unless_another_one_is_said() -> None:
    assert load_settings(S3 | {"DEPLITE_LISTEN": "[::1]:9"}).public_url == "http://[::1]:9"
    shared = load_settings(S3 | {"DEPLITE_LISTEN": "127.0.0.1:9", "DEPLITE_SHARED_LISTEN": "[::1]:8"})
    assert (shared.listen_port, shared.shared_listen, shared.public_url) == (9, ("::1", 8), "http://[::1]:8")
    assert load_settings(S3).shared_listen is None


def test_every_variable(tmp_path: Path) -> None:
    make_pair(tmp_path, "store")
    issuers = tmp_path / "issuers.json"
    issuers.write_text('[{"issuer": "https://a", "audience": "b", "jwks": "https://a/keys"}]')
    settings = load_settings(
        S3
        | {
            "DEPLITE_LISTEN": "[::]:9",
            "DEPLITE_PUBLIC_URL": "https://deplite.example.org/",
            "DEPLITE_SYSTEM_NAMESPACE": "parts",
            "DEPLITE_JWT_ISSUERS": str(issuers),
            "DEPLITE_S3_REGION": "eu",
            "DEPLITE_S3_PUBLIC_ENDPOINT": "https://files.example.org",
            "DEPLITE_S3_STYLE": "host",
            "DEPLITE_S3_CA_FILE": str(tmp_path / "authority.crt"),
            "DEPLITE_LOG_FORMAT": "text",
            "DEPLITE_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8,192.0.2.1",
            "DEPLITE_MAX_UNFINISHED_JOBS": "7",
            "DEPLITE_MAX_OBJECTS": "8",
            "DEPLITE_MAX_FILE_BYTES": "9",
            "DEPLITE_MAX_FILES": "10",
            "DEPLITE_MAX_STORAGE_BYTES": "11",
            "DEPLITE_MAX_LOG_BYTES": "2000000",
            "DEPLITE_MAX_LOG_LINES": "3000",
            "DEPLITE_LOG_BYTES_PER_SECOND": "4096",
            "DEPLITE_LOG_BURST_BYTES": "5000000",
            "DEPLITE_LOG_REQUESTS_PER_SECOND": "6",
            "KUBECONFIG": "/k",
        }
    )
    assert (settings.listen_host, settings.listen_port) == ("::", 9)
    assert settings.public_url == "https://deplite.example.org"
    assert (settings.system_namespace, settings.s3.region, settings.log_format) == ("parts", "eu", "text")
    assert (settings.kubeconfig, settings.issuers[0].jwks) == (Path("/k"), "https://a/keys")
    assert (settings.s3.public_endpoint, settings.s3.style) == ("https://files.example.org", "host")
    assert settings.s3.ca_file == tmp_path / "authority.crt"
    assert (settings.max_unfinished_jobs, settings.max_objects) == (7, 8)
    assert (settings.max_file_bytes, settings.max_files, settings.max_storage_bytes) == (9, 10, 11)
    assert (settings.max_log_bytes, settings.max_log_lines) == (2_000_000, 3000)
    assert (settings.log_bytes_per_second, settings.log_burst_bytes) == (4096, 5_000_000)
    assert settings.log_requests_per_second == 6
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({name: value for name, value in S3.items() if name != "DEPLITE_S3_BUCKET"}, "DEPLITE_S3_BUCKET"),
        ({}, "DEPLITE_S3_ENDPOINT"),
        (S3 | {"DEPLITE_TRUSTED_PROXIES": "10.0.0.1/8"}, "DEPLITE_TRUSTED_PROXIES is wrong"),
        (S3 | {"DEPLITE_S3_STYLE": "virtual"}, "DEPLITE_S3_STYLE is wrong"),
        (S3 | {"DEPLITE_S3_SECRET_KEY_FILE": "/does/not/exist"}, "DEPLITE_S3_SECRET_KEY_FILE"),
        (S3 | {"DEPLITE_S3_ACCESS_KEY_FILE": "/dev/null"}, "DEPLITE_S3_ACCESS_KEY_FILE cannot be read: it is empty"),
        (S3 | {"DEPLITE_S3_CA_FILE": "/does/not/exist"}, "DEPLITE_S3_CA_FILE"),
        (S3 | {"DEPLITE_S3_CA_FILE": __file__}, "DEPLITE_S3_CA_FILE"),
        (S3 | {"DEPLITE_S3_PUBLIC_ENDPOINT": "files.example.org"}, "DEPLITE_S3_PUBLIC_ENDPOINT is wrong"),
        (S3 | {"DEPLITE_MAX_OBJECTS": "0"}, "DEPLITE_MAX_OBJECTS is wrong"),
        (S3 | {"DEPLITE_MAX_UNFINISHED_JOBS": "many"}, "DEPLITE_MAX_UNFINISHED_JOBS is wrong"),
        (S3 | {"DEPLITE_MAX_FILE_BYTES": "0"}, "DEPLITE_MAX_FILE_BYTES is wrong"),
        (S3 | {"DEPLITE_MAX_FILES": "0"}, "DEPLITE_MAX_FILES is wrong"),
        (S3 | {"DEPLITE_MAX_STORAGE_BYTES": "1 GiB"}, "DEPLITE_MAX_STORAGE_BYTES is wrong"),
        (S3 | {"DEPLITE_MAX_LOG_BYTES": "1"}, "DEPLITE_MAX_LOG_BYTES is wrong"),
        (S3 | {"DEPLITE_MAX_LOG_LINES": "all"}, "DEPLITE_MAX_LOG_LINES is wrong"),
        (S3 | {"DEPLITE_LOG_BYTES_PER_SECOND": "0"}, "DEPLITE_LOG_BYTES_PER_SECOND is wrong"),
        (
            S3 | {"DEPLITE_LOG_BURST_BYTES": "4194303"},
            "DEPLITE_LOG_BURST_BYTES is wrong",
        ),  # the largest request would never pass
        (S3 | {"DEPLITE_LOG_REQUESTS_PER_SECOND": "-1"}, "DEPLITE_LOG_REQUESTS_PER_SECOND is wrong"),
        (S3 | {"DEPLITE_TRUSTED_PROXIES": "everybody"}, "DEPLITE_TRUSTED_PROXIES is wrong"),
        (S3 | {"DEPLITE_LOST_SECONDS": "soon"}, "DEPLITE_LOST_SECONDS is wrong"),
        (S3 | {"DEPLITE_S3_BUCKET": "No/Bucket"}, "DEPLITE_S3_BUCKET is wrong"),
        (S3 | {"DEPLITE_LISTEN": "8080"}, "DEPLITE_LISTEN"),
        (S3 | {"DEPLITE_LISTEN": "host:http"}, "DEPLITE_LISTEN"),
        (S3 | {"DEPLITE_SHARED_LISTEN": ":8"}, "DEPLITE_SHARED_LISTEN"),
        (S3 | {"DEPLITE_LOG_FORMAT": "xml"}, "DEPLITE_LOG_FORMAT is wrong"),
        (S3 | {"DEPLITE_JWT_ISSUERS": "/does/not/exist"}, "DEPLITE_JWT_ISSUERS"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings(environment)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[{}]",
        '[{"issuer": "a", "audience": "b", "jwks": "http://a/keys"}]',
        '[{"issuer": "a", "audience": "b", "jwks": "file:///etc/passwd"}]',
        '[{"issuer": "a", "audience": "b", "jwks": "keys", "algorithms": ["none"]}]',
        '[{"issuer": "a", "audience": "b", "jwks": "keys", "tokenFile": "/token"}]',
        '[{"issuer": "a", "audience": "b", "jwks": "keys", "caFile": "/ca.crt"}]',
    ],
)
def test_issuers_that_nobody_should_believe_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "issuers.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match="DEPLITE_JWT_ISSUERS"):
        load_settings(S3 | {"DEPLITE_JWT_ISSUERS": str(path)})


def test_slack_is_off_unless_it_is_set_up() -> None:
    assert load_settings(S3).slack is None
    assert load_settings(S3 | dict.fromkeys([*SLACK, "DEPLITE_SLACK_URL"], "")).slack is None
    slack = load_settings(S3 | SLACK).slack
    assert slack is not None
    assert (slack.client_id, slack.client_secret_file, slack.url) == ("123.456", Path(__file__), "https://slack.com")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8", "http://localhost:8", "http://[::1]:8", "https://proxy:8"])
def test_slack_may_be_elsewhere(url: str) -> None:
    slack = load_settings(S3 | SLACK | {"DEPLITE_SLACK_URL": url + "/"}).slack
    assert slack is not None
    assert slack.url == url


@pytest.mark.parametrize("left_out", SLACK)
def test_a_part_of_slacks_settings_is_none(left_out: str) -> None:
    with pytest.raises(SettingsError, match=f"Set {left_out} as well"):
        load_settings(S3 | {name: value for name, value in SLACK.items() if name != left_out})


@pytest.mark.parametrize(
    "wrong",
    [
        {"DEPLITE_SLACK_CLIENT_ID": "a b"},
        {"DEPLITE_SLACK_CLIENT_SECRET_FILE": "/does/not/exist"},
        {"DEPLITE_SLACK_SIGNING_SECRET_FILE": "/dev/null"},
        {"DEPLITE_SLACK_URL": "http://slack.com"},
        {"DEPLITE_SLACK_URL": "https://slack.com/api"},
        {"DEPLITE_SLACK_URL": "slack.com"},
    ],
)
def test_a_wrong_setting_of_slack_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        load_settings(S3 | SLACK | wrong)


def test_settings_are_frozen() -> None:
    settings = load_settings(S3)
    assert Settings.model_config["frozen"]
    with pytest.raises(ValueError, match="frozen"):
        settings.listen_port = 1


REDIS = {
    "DEPLITE_REDIS_URL": "rediss://cache.example.org:7000/2",
    "DEPLITE_REDIS_USERNAME": "deplite",
    "DEPLITE_REDIS_PASSWORD_FILE": __file__,
}


def test_without_an_address_of_redis_there_is_one_replica() -> None:
    assert load_settings(S3).redis is None


def test_everything_about_redis(tmp_path: Path) -> None:
    make_pair(tmp_path, "redis")
    ca = str(tmp_path / "authority.crt")
    more = {"DEPLITE_REDIS_CA_FILE": ca, "DEPLITE_REDIS_SENTINEL_PASSWORD_FILE": __file__}
    redis = load_settings(S3 | REDIS | more).redis
    assert redis is not None
    assert (redis.username, redis.password_file, redis.ca_file) == ("deplite", Path(__file__), Path(ca))
    assert redis.sentinel_password_file == Path(__file__)
    assert redis.address == RedisAddress(topology="single", hosts=(("cache.example.org", 7000),), tls=True, database=2)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", {"topology": "single", "hosts": (("cache", 6379),), "tls": False}),
        ("redis://[::1]:7/1", {"topology": "single", "hosts": (("::1", 7),), "tls": False, "database": 1}),
        (
            "redis+sentinel://a,b:7,[::1]/main%20one/3",
            {
                "topology": "sentinel",
                "hosts": (("a", 26379), ("b", 7), ("::1", 26379)),
                "tls": False,
                "master": "main one",
                "database": 3,
            },
        ),
        ("rediss+cluster://a,b:7/", {"topology": "cluster", "hosts": (("a", 6379), ("b", 7)), "tls": True}),
    ],
)
def test_addresses_of_redis(url: str, address: dict[str, Any]) -> None:
    assert RedisAddress.parse(url) == RedisAddress.model_validate(address)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DEPLITE_REDIS_URL": "http://cache"}, "DEPLITE_REDIS_URL is wrong: Value error, must be redis://"),
        ({"DEPLITE_REDIS_URL": "redis+other://cache"}, "must be redis://"),
        ({"DEPLITE_REDIS_URL": "redis://:hunter2@cache"}, "DEPLITE_REDIS_PASSWORD_FILE"),
        ({"DEPLITE_REDIS_URL": "redis://hunter2@cache"}, "DEPLITE_REDIS_USERNAME"),
        ({"DEPLITE_REDIS_URL": "redis://cache?password=hunter2"}, "must be redis://"),
        ({"DEPLITE_REDIS_URL": "redis://"}, "names no host"),
        ({"DEPLITE_REDIS_URL": "redis://a,b"}, "redis+sentinel or redis+cluster"),
        ({"DEPLITE_REDIS_URL": "redis://cache/hunter2"}, "number of a database"),
        ({"DEPLITE_REDIS_URL": "redis://cache:port"}, "DEPLITE_REDIS_URL is wrong"),
        ({"DEPLITE_REDIS_URL": "redis+sentinel://a"}, "/mymaster"),
        ({"DEPLITE_REDIS_URL": "redis+cluster://a/1"}, "no database"),
        ({"DEPLITE_REDIS_PASSWORD_FILE": __file__}, "Set DEPLITE_REDIS_URL as well"),
        ({"DEPLITE_REDIS_URL": "redis://a", "DEPLITE_REDIS_USERNAME": "u"}, "Set DEPLITE_REDIS_PASSWORD_FILE as well"),
        (
            {"DEPLITE_REDIS_URL": "redis://a", "DEPLITE_REDIS_PASSWORD_FILE": "/none"},
            "DEPLITE_REDIS_PASSWORD_FILE cannot",
        ),
        ({"DEPLITE_REDIS_URL": "redis://a", "DEPLITE_REDIS_CA_FILE": __file__}, "must begin with rediss"),
        ({"DEPLITE_REDIS_URL": "rediss://a", "DEPLITE_REDIS_CA_FILE": __file__}, "DEPLITE_REDIS_CA_FILE cannot"),
    ],
)
def test_what_is_wrong_about_redis_is_said_without_its_secrets(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(S3 | environment)
    assert message in str(raised.value)
    assert "hunter2" not in str(raised.value)
