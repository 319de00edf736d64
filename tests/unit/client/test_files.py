"""Files up and down: whole and right or not at all, whatever breaks off in between."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deplite.client.api import TRIES, Api
from deplite.client.caller import Caller
from deplite.client.errors import AwayError, FileError, RefusedError
from deplite.client.files import Files, Wish, plain_name
from deplite.client.transfer import Transfer
from tests.bucket import Bucket, Fault, serving
from tests.unit.client.filing import Filing, refusal

CONTENT = bytes(range(256)) * 4000
QUIET = lambda _what, _done, _size: None  # noqa: E731


class Client:
    """Files of a caller, with a server and a bucket behind them."""

    def __init__(self, bucket: Bucket) -> None:
        self.server = Filing(bucket=bucket)
        self.bucket = bucket
        self.waits: list[float] = []
        self._bytes = Transfer()
        self.files = self.of(Caller(url="http://server/api", credential="jwt", organization="org-demo"))

    def of(self, caller: Caller) -> Files:
        self._api = Api(caller, http=self.server.client(), sleep=self.waits.append)
        return Files(self._api, self._bytes)

    def close(self) -> None:
        self._bytes.close()
        self._api.close()


@pytest.fixture
def client() -> Iterator[Client]:
    with serving() as bucket:
        made = Client(bucket)
        yield made
        made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_bytes(CONTENT)
    return path


# --- up --------------------------------------------------------------------------------------------------------------


def test_up_declares_what_comes_and_says_how_far_it_is(client: Client, path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    wish = Wish(rule="ttl", ttl_seconds=3600, binding="web")
    meta = client.files.upload(path, wish, lambda *told: said.append(told))
    assert meta["status"] == "stored"
    assert client.bucket.stored[f"/{meta['id']}"].content == CONTENT
    assert client.bucket.stored[f"/{meta['id']}"].headers["If-None-Match"] == "*"
    declared = {"filename": "report.html", "contentType": "text/html", "size": len(CONTENT), "bindingId": "web"}
    declared |= {"cleanupRule": "ttl", "ttlSeconds": 3600, "sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert declared.items() <= meta.items()
    assert said[-1] == ("uploading", len(CONTENT), len(CONTENT))
    assert {what for what, _, _ in said} == {"checking", "uploading"}
    assert {request.headers["Authorization"] for request in client.server.requests} == {"Bearer jwt"}


def test_an_empty_file_goes_up(client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert client.files.upload(tmp_path / "empty", Wish(), QUIET)["size"] == 0


def test_what_cannot_be_uploaded_says_what_to_do(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"is a folder: pack it first \(tar czf"):
        client.files.upload(tmp_path, Wish(), QUIET)
    with pytest.raises(FileError, match="cannot be read"):
        client.files.upload(tmp_path / "gone", Wish(), QUIET)
    with pytest.raises(FileError, match="no regular file"):
        client.files.upload(Path("/dev/null"), Wish(), QUIET)
    assert client.server.requests == []


def test_a_store_that_is_away_for_a_moment_costs_nothing(client: Client, path: Path) -> None:
    away = Fault(status=503, headers={"Retry-After": "20"})
    client.bucket.fault = lambda _m, _p: away if len(client.bucket.asked) < 3 else None
    assert client.files.upload(path, Wish(), QUIET)["status"] == "stored"
    assert [wait for wait in client.waits if wait >= 20] == client.waits
    assert len(client.waits) == 2


def test_a_lost_answer_costs_no_second_object(client: Client, path: Path) -> None:
    client.bucket.fault = lambda _m, _p: Fault(status=500, stores=True) if len(client.bucket.asked) == 1 else None
    assert client.files.upload(path, Wish(), QUIET)["status"] == "stored"
    assert len(client.bucket.stored) == 1


def test_an_address_whose_time_is_over_is_asked_for_anew(client: Client, path: Path) -> None:
    client.bucket.fault = lambda _m, _p: (
        Fault(status=403, code="AccessDenied") if len(client.bucket.asked) < 2 else None
    )
    assert client.files.upload(path, Wish(), QUIET)["status"] == "stored"
    assert client.server.asked().count("POST /presign-upload") == 2


def test_a_store_that_stays_away_ends_in_one_sentence(client: Client, path: Path) -> None:
    client.bucket.fault = lambda _m, _p: Fault(status=503)
    with pytest.raises(FileError, match=r"did not get through.*run the same again"):
        client.files.upload(path, Wish(), QUIET)
    assert len(client.bucket.asked) == TRIES


def test_a_refusal_is_the_servers_word_and_what_to_do(client: Client, path: Path) -> None:
    client.server.script = lambda _: refusal(429, "quota_exceeded", {"Retry-After": "30"})
    with pytest.raises(RefusedError, match=r"As the test says. The organization's storage is full.*429 quota_exceeded"):
        client.files.upload(path, Wish(), QUIET)
    assert client.waits == []


def test_a_file_that_changes_meanwhile_is_said_so(client: Client, path: Path) -> None:
    def change(what: str, done: int, size: int) -> None:
        if (what, done) == ("checking", size):
            path.write_bytes(CONTENT[::-1])

    with pytest.raises(FileError, match="changed while it was uploaded"):
        client.files.upload(path, Wish(), change)


# --- down ------------------------------------------------------------------------------------------------------------


def test_down_by_id_and_by_the_newest_of_a_name(client: Client, tmp_path: Path) -> None:
    old = client.server.add("r.txt", b"old")
    new = client.server.add("r.txt", b"new", jobId="j-1")
    for number in range(4):
        client.server.add(f"other-{number}", b"x")
    assert client.files.find(old)["id"] == old
    assert client.files.find("r.txt")["id"] == new
    assert client.files.find("r.txt", job="j-1")["id"] == new
    client.files.download(client.files.find("r.txt"), tmp_path / "here", QUIET)
    assert (tmp_path / "here").read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["here"]
    with pytest.raises(FileError, match=r"There is no file named r\.txt of the job j-2"):
        client.files.find("r.txt", job="j-2")
    with pytest.raises(RefusedError, match="There is no such file"):
        client.files.find("f-" + "z" * 16)


def test_a_download_that_breaks_off_goes_on_from_there(client: Client, tmp_path: Path) -> None:
    meta = client.files.find(client.server.add("big", CONTENT))
    client.bucket.fault = lambda _m, _p: Fault(status=200, after=400_000) if len(client.bucket.asked) < 3 else None
    client.files.download(meta, tmp_path / "big", QUIET)
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert client.bucket.ranges == ["", "bytes=400000-", "bytes=800000-"]


def test_one_that_was_given_up_goes_on_when_it_is_called_again(client: Client, tmp_path: Path) -> None:
    meta = client.files.find(client.server.add("big", CONTENT))
    first = Fault(status=200, after=400_000)
    client.bucket.fault = lambda _m, _p: first if len(client.bucket.asked) == 1 else Fault(status=503)
    with pytest.raises(FileError, match=r"390.6 KiB of 1000.0 KiB are here: run the same again, it goes on from there"):
        client.files.download(meta, tmp_path / "big", QUIET)
    assert not (tmp_path / "big").exists()
    client.bucket.fault = lambda _m, _p: None
    client.files.download(meta, tmp_path / "big", QUIET)
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert client.bucket.ranges[-1] == "bytes=400000-"


def test_a_download_from_a_server_that_stays_away_is_given_up_as_soon_as_any_call(
    client: Client, tmp_path: Path
) -> None:
    meta = client.files.find(client.server.add("big", CONTENT))
    client.server.script = lambda _: refusal(503, "unavailable")
    with pytest.raises(FileError, match=r"0 bytes of 1000\.0 KiB are here: run the same again"):
        client.files.download(meta, tmp_path / "big", QUIET)
    assert len(client.waits) == TRIES - 1


def test_what_is_not_what_was_uploaded_never_gets_its_name(client: Client, tmp_path: Path) -> None:
    file_id = client.server.add("big", CONTENT)
    meta = client.files.find(file_id)
    client.bucket.put(f"/{file_id}", CONTENT[::-1])
    (tmp_path / "big").write_text("what was there")
    with pytest.raises(FileError, match="is damaged, and was thrown away"):
        client.files.download(meta, tmp_path / "big", QUIET)
    assert (tmp_path / "big").read_text() == "what was there"
    assert len(list(tmp_path.iterdir())) == 1


def test_without_a_checksum_the_size_is_verified(client: Client, tmp_path: Path) -> None:
    file_id = client.server.add("big", CONTENT, sha256=None)
    meta = client.files.find(file_id)
    client.files.download(meta, tmp_path / "big", QUIET)
    client.bucket.put(f"/{file_id}", CONTENT + b"more")
    with pytest.raises(FileError, match="damaged"):
        client.files.download(meta, tmp_path / "more", QUIET)


def test_an_empty_file_comes_down(client: Client, tmp_path: Path) -> None:
    client.files.download(client.files.find(client.server.add("empty", b"")), tmp_path / "empty", QUIET)
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_link_that_waits_under_the_name_of_the_part_is_not_written_through(client: Client, tmp_path: Path) -> None:
    meta = client.files.find(client.server.add("report.html", CONTENT))
    precious = tmp_path / "precious"
    precious.write_bytes(b"kept")
    (tmp_path / f".down.{meta['id']}.part").symlink_to(precious)
    with pytest.raises(FileError, match="cannot be written"):
        client.files.download(meta, tmp_path / "down", QUIET)
    assert precious.read_bytes() == b"kept"
    assert not (tmp_path / "down").exists()


def test_a_place_that_cannot_be_written_is_said_so(client: Client, tmp_path: Path) -> None:
    meta = client.files.find(client.server.add("big", CONTENT))
    with pytest.raises(FileError, match="name another place with -o"):
        client.files.download(meta, tmp_path / "gone" / "big", QUIET)


@pytest.mark.parametrize(
    ("name", "plain"),
    {
        "dist/a.txt": "a.txt",
        "../../etc/passwd": "passwd",
        "..": "f-1",
        "": "f-1",
        "a\u202eb": "ab",
        "c:\\x": "x",
        ".bash_login": "bash_login",
        "-rf": "rf",
        ".-": "f-1",
    }.items(),
)
def test_a_name_that_somebody_else_chose_stays_in_its_folder(name: str, plain: str) -> None:
    assert plain_name(name, "f-1") == plain
    assert plain_name(None, "f-1") == "f-1"


# --- list, delete, and callers ---------------------------------------------------------------------------------------


def test_a_list_goes_on_over_all_pages(client: Client) -> None:
    made = [client.server.add(f"{number}", b"x", jobId=f"j-{number % 2}") for number in range(5)]
    assert [meta["id"] for meta in client.files.list()] == made[::-1]
    assert [meta["id"] for meta in client.files.list(job="j-0")] == made[4::-2]
    assert client.server.requests[0].url.params["limit"] == "200"


def test_delete_takes_ids_only(client: Client) -> None:
    file_id = client.server.add("x", b"x")
    client.files.delete(file_id)
    assert client.server.metas == {}
    with pytest.raises(FileError, match="is no id"):
        client.files.delete("x")
    with pytest.raises(RefusedError, match="no such file"):
        client.files.delete(file_id)


def test_an_api_token_has_its_own_routes(client: Client, path: Path) -> None:
    client.server.prefix = "/storage/files"
    files = client.of(Caller(url="http://server", credential="tk_x", organization=None))
    meta = files.upload(path, Wish(), QUIET)
    assert [entry["id"] for entry in files.list(job=None)] == [meta["id"]]
    assert "limit" not in client.server.requests[-1].url.params


def test_a_server_that_is_not_there_is_one_sentence(client: Client) -> None:
    def nobody(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    client.server.script = nobody
    with pytest.raises(AwayError, match=r"Nobody answers at http://server/api .*is DEPLITE_URL right"):
        client.files.delete("f-" + "a" * 16)
    assert len(client.waits) == TRIES - 1
