"""What the document says, held against the served app: every operation with every kind of credential.

A finding is a server error, or an answer that the document does not have: by status, type, headers or schema; and an
operation that does what it is asked without the credential that it demands (`ignored_auth`).

Of schemathesis's checks `unsupported_method` is not here: it looks only at cases of the coverage phase, with a method
that the document lacks, and a strategy makes none of them. `test_routes.py` asks each path for each such method.
"""

import asyncio
import dataclasses
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks

from deplite.resources.credentials import mint
from deplite_apiserver.app import reference
from deplite_apiserver.auth.roles import Kind, kinds_of
from deplite_apiserver.settings import Settings
from deplite_apiserver.slack.settings import SlackSettings
from tests.kube.edge.conftest import Organized
from tests.kube.edge.people import People
from tests.kube.files.doors import put
from tests.kube.serving import served
from tests.published.agent import PublishedAgent

CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"with-security-parameters": False},
        "checks": {"negative_data_rejection": {"expected-statuses": ["4xx", "503"]}},
    }
)
"""Credentials are ours to send, and any refusal is one."""
SCHEMA = schemathesis.openapi.from_dict(reference(), config=CONFIG)
OPERATIONS = {one.ok().label: one.ok() for one in SCHEMA.get_all_operations()}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.negative_data_rejection,
]
EVERY_CHANGE = 25
"""Examples an operation; these are always the same ones, those of `make fuzz` never."""
KINDS = ("nobody", "member", "owner", "token", "agent", "code", "slack")
ENTRIES: dict[str, set[Kind]] = {
    "nobody": {"public"},
    "member": {"member"},
    "owner": {"member", "owner"},
    "token": {"token"},
    "agent": {"agent"},
    "code": {"enrollment"},
    "slack": {"slack"},
}
"""What the table of callers calls those who come with such a credential."""
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
CASES = [
    (label, kind) for label in OPERATIONS for kind in KINDS if kind != "slack" or "slack" in kinds_of(*label.split())
]
"""To all other doors Slack's signature is nothing."""


class Signing(requests.auth.AuthBase):
    """Signs what is really sent."""

    def __init__(self, agent: PublishedAgent) -> None:
        self.agent = agent

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else bytes(body)
        request.headers.update(self.agent.signed(str(request.method), urlsplit(str(request.url)).path, raw))
        return request


class Bearer(requests.auth.AuthBase):
    """Shows a credential, whatever the case says."""

    def __init__(self, credential: str | None) -> None:
        self.credential = credential

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        if self.credential is not None:
            request.headers["Authorization"] = f"Bearer {self.credential}"
        return request


class SlackSigning(requests.auth.AuthBase):
    """Signs what is really sent, as Slack does."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else bytes(body)
        stamp = str(int(time.time()))
        signature = hmac.new(SIGNING_SECRET.encode(), f"v0:{stamp}:".encode() + raw, hashlib.sha256).hexdigest()
        request.headers.update({"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"})
        return request


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """Where the cases go, and with what."""

    base: str
    auth: requests.auth.AuthBase
    known: dict[str, str]
    """Ids that exist, for half of the cases: with random ones, little more than 404 would be seen."""


def target_of(home: Organized, people: People, code: str, kind: str, ids: dict[str, str]) -> Target:
    credentials: dict[str, Callable[[], str | None]] = {
        "nobody": lambda: None,
        "member": lambda: people.token("mika"),
        "owner": lambda: people.token("olga"),
        "token": lambda: home.token,
        "code": lambda: code,
    }
    signing = {"agent": lambda: Signing(home.agent), "slack": SlackSigning}
    auth = signing[kind]() if kind in signing else Bearer(credentials[kind]())
    known = {"org_id": home.namespace, "trigger_id": home.trigger_id, "agent_id": home.agent.agent_id}
    return Target(base=home.base, auth=auth, known=known | {"token_id": home.token_id, "name": "deploy-prod"} | ids)


def fuzz(operation: Any, target: Target, examples: int, mode: GenerationMode, enforced: set[str]) -> None:
    """Send cases of one operation; the first finding raises.

    What succeeds is asked again without its credential and with wrong ones, unless `enforced` has the operation.
    """
    turn = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples <= EVERY_CHANGE,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        nonlocal turn
        turn += 1
        wrong_path = ParameterLocation.PATH in case.meta.components and (
            case.meta.components[ParameterLocation.PATH].mode is GenerationMode.NEGATIVE
        )
        if turn % 2 and operation.method != "delete" and not wrong_path:
            case.path_parameters = {name: target.known.get(name, value) for name, value in case.path_parameters.items()}
        # A dry run answers 200 to a bad request, too, and says what is wrong with it; no body at all is `{}`.
        skipped = [checks.negative_data_rejection] if case.body == b"" or case.query.get("dryRun") == "true" else []
        sent = {"base_url": target.base, "auth": target.auth, "timeout": 60}
        answer = case.call(**sent)
        for _ in range(5):
            if answer.status_code != 503:
                break
            time.sleep(1)  # a machine that is busy elsewhere: what the input brought about stays
            answer = case.call(**sent)
        again = [checks.ignored_auth] if operation.label not in enforced else []
        case.validate_response(answer, checks=CHECKS + again, excluded_checks=skipped, transport_kwargs=sent)
        if answer.status_code < 300 and not wrong_path:
            enforced.add(operation.label)

    ask()


@pytest.fixture(scope="module")
def code() -> str:
    """An enrolment code of the right form that nobody minted."""
    return mint("enr").plain


@pytest_asyncio.fixture(scope="module")
async def ids(home: Organized) -> dict[str, str]:
    """A job of the agent, and a stored file of that job: whoever may ask about a file at all sees this one."""
    async with httpx.AsyncClient(base_url=home.base, trust_env=False, timeout=60) as http:
        ran = await http.post(f"/triggers/{home.trigger_id}/run", headers={"Authorization": f"Bearer {home.token}"})
    job_id = ran.json()["jobId"]
    announced = await home.agent.call("POST", f"/agent/jobs/{job_id}/files/presign-upload", {})
    assert (await put(announced.json(), b"x")).status_code == 200
    file_id = announced.json()["fileId"]
    assert (await home.agent.call("POST", f"/agent/files/{file_id}/complete")).status_code == 200
    return {"job_id": job_id, "file_id": file_id}


@pytest_asyncio.fixture(scope="module")
async def at_slack(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a replica that is an app at a Slack where nobody answers."""
    file = tmp_path_factory.mktemp("slack") / "secret"
    file.write_text(SIGNING_SECRET)
    said = {"client_id": "1.2", "client_secret_file": file, "signing_secret_file": file, "url": "http://127.0.0.1:9"}
    async with served(settings.model_copy(update={"slack": SlackSettings.model_validate(said)})) as replica:
        yield replica.base


@pytest.fixture(scope="module")
def enforced() -> set[str]:
    """The operations that are known to demand a credential: one success each tells."""
    return set()


@pytest.mark.parametrize(
    "examples", [EVERY_CHANGE, pytest.param(500, marks=[pytest.mark.full, pytest.mark.timeout(1800)])]
)
@pytest.mark.parametrize(("label", "kind"), CASES)
async def test_the_document_holds(
    home: Organized,
    people: People,
    code: str,
    ids: dict[str, str],
    enforced: set[str],
    at_slack: str,
    label: str,
    kind: str,
    examples: int,
) -> None:
    # Hundreds of examples with a code that nobody minted make the server answer 429 to any wrong credential, and
    # `ignored_auth` takes that for an open door: the few of every change tell as well.
    demanded = enforced if examples <= EVERY_CHANGE else set(OPERATIONS)
    if (label, kind) == ("GET /agent/stream", "agent"):
        kind = "nobody"  # with good credentials it never ends
    raw, modes = OPERATIONS[label].definition.raw, list(GenerationMode)
    method, path = label.split()
    if not kinds_of(method, path) & ENTRIES[kind]:
        examples, modes = examples // 5, [GenerationMode.POSITIVE]  # all of them meet the same closed door
    if "parameters" not in raw and "requestBody" not in raw:
        modes = [GenerationMode.POSITIVE]  # there is nothing to be wrong
    target = target_of(home, people, code, kind, ids)
    if kind == "slack":
        target = dataclasses.replace(target, base=at_slack)
    for mode in modes:
        await asyncio.to_thread(fuzz, OPERATIONS[label], target, -(-examples // len(modes)), mode, demanded)
