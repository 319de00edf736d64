"""The secrets of a control plane: private, kept, and made right again."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deplite.local import authority
from deplite.local.controlplane.credentials import Credentials

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_file_is_the_owners_alone(tmp_path: Path) -> None:
    Credentials(tmp_path, 6443).make(NOW)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "certificates").stat().st_mode) == 0o700


def test_a_second_start_keeps_tokens_and_key_and_follows_the_port(tmp_path: Path) -> None:
    first = Credentials(tmp_path, 6443)
    first.make(NOW)
    kept = first.admin_token(), first.account_key.read_text()
    second = Credentials(tmp_path, 6444)
    second.make(NOW)
    assert (second.admin_token(), second.account_key.read_text()) == kept
    config = json.loads(second.admin.read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6444"
    assert config["clusters"][0]["cluster"]["certificate-authority"] == str(second.authority)
    assert config["users"][0]["user"]["token"] == second.admin_token()


def test_only_the_administrator_is_a_master(tmp_path: Path) -> None:
    made = Credentials(tmp_path, 6443)
    made.make(NOW)
    rows = [line.split(",") for line in made.tokens.read_text().splitlines()]
    assert [row[1] for row in rows if "system:masters" in row] == ["deplite-admin"]
    assert len({row[0] for row in rows}) == 2


def test_a_certificate_that_ends_soon_is_made_anew(tmp_path: Path) -> None:
    made = Credentials(tmp_path, 6443)
    made.make(NOW)
    authority.make_pair(tmp_path, "test", NOW)
    made.authority.write_bytes((tmp_path / "node.crt").read_bytes())
    made.make(NOW + timedelta(days=3600))
    assert made.authority.exists()
    made.make(NOW + timedelta(days=3640))
    assert not made.authority.exists()
