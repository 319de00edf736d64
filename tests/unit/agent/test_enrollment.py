"""Enrolling: tried until the server answers, with the same key; a refusal says what to do; a code is spent once."""

import contextlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.keys import public_pem
from deplite_agent.credential import Credential
from deplite_agent.enrollment import RENEWED_TRIES, enroll
from deplite_agent.errors import EnrollmentError, ReplacedError, StateError
from deplite_agent.identity import Enrolled, StateFolder
from tests.faults.virtualtime import in_virtual_time
from tests.unit.agent.disks import full_disk
from tests.unit.agent.server import Call, Server, answer

PEM = public_pem(Ed25519PrivateKey.generate().public_key())
CODE = Credential(code="enr_x")
GOOD: dict[str, Any] = {"agentId": "ag-1", "organizationId": "org-1", "serverPublicKey": PEM}


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    opened = StateFolder(tmp_path / "state")
    opened.open()
    return opened


async def test_a_server_that_is_away_is_asked_again_with_the_same_key(state: StateFolder) -> None:
    server = Server()
    server.script = lambda _: (
        httpx.Response(503) if len(server.calls) < 2 else httpx.Response(201, json=GOOD | {"x": 1})
    )
    enrolled = await enroll(server.transport(), CODE, "n" * 200, state)
    assert enrolled == Enrolled(agent_id="ag-1", organization_id="org-1", server_public_key=PEM)
    assert server.calls[0].body == server.calls[1].body
    body = server.calls[0].body
    assert body["publicKey"] == public_pem(state.key().public_key())
    assert body["name"] == "n" * 128
    assert set(body) == {"name", "publicKey", "hostname", "os", "agentVersion"}


async def test_a_refusal_says_what_to_do(state: StateFolder) -> None:
    server = Server(script=lambda _: answer(401, "invalid_enroll_token"))
    with pytest.raises(EnrollmentError, match=r"invalid_enroll_token.*Ask an owner for a new code in DEPLITE_TOKEN\.$"):
        await enroll(server.transport(), CODE, "n", state)


@pytest.mark.parametrize("body", [{}, GOOD | {"agentId": 7}, GOOD | {"serverPublicKey": "x"}, {"agentId": "a"}])
async def test_an_answer_that_is_none_is_an_error(body: dict[str, Any], state: StateFolder) -> None:
    server = Server(script=lambda _: httpx.Response(201, json=body))
    with pytest.raises(EnrollmentError, match="is DEPLITE_URL right"):
        await enroll(server.transport(), CODE, "n", state)


@pytest.mark.parametrize("status", [401, 403, 409, 422])
async def test_a_code_that_is_refused_is_not_tried_again(status: int, state: StateFolder) -> None:
    server = Server(script=lambda _: answer(status, "as_it_says"))
    with pytest.raises(EnrollmentError, match="as_it_says"):
        await enroll(server.transport(), CODE, "n", state)
    assert len(server.calls) == 1


def shown(call: Call) -> str:
    return call.headers["Authorization"].removeprefix("Bearer ")


async def test_a_file_is_read_at_each_try_and_may_become_good(tmp_path: Path, state: StateFolder) -> None:
    path = tmp_path / "token"
    path.write_text("old.old.old\n")
    server = Server()

    def script(call: Call) -> httpx.Response:
        if shown(call) == "new.new.new":
            return httpx.Response(201, json=GOOD)
        if len(server.calls) == 2:
            path.write_text("new.new.new")
        return answer(401, "invalid_enroll_token")

    server.script = script
    enrolled = await in_virtual_time(lambda: enroll(server.transport(), Credential(file=path), "n", state))
    assert enrolled.agent_id == "ag-1"
    assert [shown(call) for call in server.calls] == ["old.old.old"] * 2 + ["new.new.new"]
    assert len({call.body["publicKey"] for call in server.calls}) == 1


async def test_a_token_that_stays_bad_is_given_up_and_shown_nowhere(
    tmp_path: Path, state: StateFolder, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("secret.secret.secret")
    server = Server(script=lambda _: answer(401, "invalid_enroll_token"))
    credential = Credential(file=path)
    with pytest.raises(EnrollmentError, match=r"invalid_enroll_token.*see to that file, or ask an owner\.$") as caught:
        await in_virtual_time(lambda: enroll(server.transport(), credential, "n", state))
    assert len(server.calls) == RENEWED_TRIES
    assert "Trying again" in caplog.text
    assert (
        "secret"
        not in f"{caught.value} {caught.value.__cause__} {caplog.text} {credential!r} {Credential(code='secret')!r}"
    )


async def test_a_pod_that_was_replaced_is_not_tried_again(tmp_path: Path, state: StateFolder) -> None:
    (tmp_path / "token").write_text("a.b.c")
    server = Server(script=lambda _: answer(409, "pod_replaced"))
    with pytest.raises(ReplacedError, match=r"pod_replaced.*this one ends\.$"):
        await enroll(server.transport(), Credential(file=tmp_path / "token"), "n", state)
    assert len(server.calls) == 1


CODES = tuple(f"enr_{letter * 36}" for letter in "ab")


def spent(said: str) -> Any:
    return pytest.raises(EnrollmentError, match=rf"the code of {said} before, .*; .* ask an owner for a new one\.$")


async def test_a_code_is_spent_once_whatever_uses_it_has_and_a_new_one_is_good(
    state: StateFolder, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(script=lambda _: httpx.Response(201, json=GOOD))
    for code in CODES:
        credential = Credential(code=code)
        assert await enroll(server.transport(), credential, "n", state) == state.enrolled()
        with spent("DEPLITE_TOKEN") as caught:
            await enroll(server.transport(), credential, "n", state)
        state.forget()
        with spent("DEPLITE_TOKEN"):
            await enroll(server.transport(), credential, "n", state)
        assert code not in f"{caught.value} {caplog.text}"
    with spent("DEPLITE_TOKEN"):
        await enroll(server.transport(), Credential(code=CODES[0]), "n", state)
    assert [shown(call) for call in server.calls] == [*CODES]


async def test_a_file_with_a_spent_code_is_not_shown_and_good_again_with_another_one(
    tmp_path: Path, state: StateFolder
) -> None:
    server = Server(script=lambda _: httpx.Response(201, json=GOOD))
    credential = Credential(file=tmp_path / "code")
    for code in CODES:
        (tmp_path / "code").write_text(f"{code}\n")
        await enroll(server.transport(), credential, "n", state)
        with spent("DEPLITE_TOKEN_FILE"):
            await enroll(server.transport(), credential, "n", state)
    assert [shown(call) for call in server.calls] == [*CODES]


async def test_a_token_of_a_pod_is_shown_as_often_as_it_is_needed(tmp_path: Path, state: StateFolder) -> None:
    (tmp_path / "token").write_text("a.b.c")
    server = Server(script=lambda _: httpx.Response(201, json=GOOD))
    for _ in range(2):
        await enroll(server.transport(), Credential(file=tmp_path / "token"), "n", state)
    assert len(server.calls) == 2


@pytest.mark.parametrize("answered", [httpx.Response(503), answer(401, "x"), httpx.Response(201, json={})])
async def test_a_code_that_got_no_good_answer_is_not_spent(answered: httpx.Response, state: StateFolder) -> None:
    server = Server(script=lambda _: answered if len(server.calls) < 2 else httpx.Response(201, json=GOOD))
    for _ in range(2):
        with contextlib.suppress(EnrollmentError):
            await in_virtual_time(lambda: enroll(server.transport(), Credential(code=CODES[0]), "n", state))
    assert state.enrolled() is not None


async def test_an_answer_that_the_disk_does_not_take_is_asked_for_once_more_and_then_the_code_is_spent(
    state: StateFolder,
) -> None:
    server = Server(script=lambda _: httpx.Response(201, json=GOOD))
    state.key()
    with full_disk(), pytest.raises(StateError):
        await enroll(server.transport(), Credential(code=CODES[0]), "n", state)
    await enroll(server.transport(), Credential(code=CODES[0]), "n", state)
    assert len({call.body["publicKey"] for call in server.calls}) == 1
    with spent("DEPLITE_TOKEN"):
        await enroll(server.transport(), Credential(code=CODES[0]), "n", state)


@pytest.mark.parametrize("content", [b"", b" \n", b"a b", b"a\nb", b"\xff\xfe", b"a\0b", b"x" * 9000])
def test_a_file_that_holds_no_token(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(EnrollmentError, match=r"/token holds no token; put one line"):
        Credential(file=tmp_path / "token").read()


def test_a_file_that_cannot_be_read_and_no_credential_at_all(tmp_path: Path) -> None:
    with pytest.raises(
        EnrollmentError, match=r"/token cannot be read \(No such file or directory\); DEPLITE_TOKEN_FILE"
    ):
        Credential(file=tmp_path / "token").read()
    with pytest.raises(EnrollmentError, match="set DEPLITE_TOKEN to an enrolment code"):
        Credential().read()
