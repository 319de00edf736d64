"""What the edge does with the cluster: server keys, last uses of tokens, and refusals of the API server."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.local.controlplane import ControlPlane
from deplite.protocol.errors import InvalidKeyError
from deplite.protocol.keys import load_public_key, sign, verify
from deplite.resources import ApiToken
from deplite_apiserver.serverkeys import SECRET_NAME, load_server_keys
from deplite_apiserver.settings import Settings, Waits
from deplite_apiserver.tokens.usage import TokenUsage
from tests.faults.proxy import FaultProxy
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.jobs.conftest import Replica
from tests.kube.serving import MovableClock, served, until
from tests.organizations import delete_namespace


@pytest.fixture
async def system_namespace(kube: KubeClient) -> str:
    """A namespace of the parts in which no key has been made yet."""
    name = f"deplite-{secrets.token_hex(4)}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await kube.connection.request("POST", "/api/v1/namespaces", body=namespace)
    return name


async def test_two_replicas_that_start_at_once_agree_on_the_key(
    settings: Settings, kube: KubeClient, control_plane: ControlPlane, system_namespace: str
) -> None:
    # The part's own rights end where its namespace does.
    there = settings.model_copy(update={"system_namespace": system_namespace, "kubeconfig": control_plane.kubeconfig})
    async with served(there) as one, served(there) as other:
        assert one.context.server_keys.current_id == other.context.server_keys.current_id
        assert one.context.server_keys.current_public_pem == other.context.server_keys.current_public_pem
    await delete_namespace(kube, system_namespace)


async def test_of_ten_replicas_at_once_one_makes_the_key(kube: KubeClient, system_namespace: str) -> None:
    keys = await asyncio.gather(*(load_server_keys(kube, system_namespace) for _ in range(10)))
    assert len({one.current_public_pem for one in keys}) == 1
    stored = await kube.get_secret(system_namespace, SECRET_NAME)
    assert set(stored.data) == {"current", f"{keys[0].current_id}.pem"}
    key = keys[0].get(None)
    assert key is not None
    verify(load_public_key(keys[9].current_public_pem), b"m", sign(key, b"m"))
    await delete_namespace(kube, system_namespace)


async def test_an_older_key_is_kept_for_the_agents_that_pinned_it(kube: KubeClient, system_namespace: str) -> None:
    before = await load_server_keys(kube, system_namespace)
    secret = await kube.get_secret(system_namespace, SECRET_NAME)
    pem = secret.data[f"{before.current_id}.pem"]
    fresh = (await load_server_keys(kube, system_namespace)).current_id
    await kube.replace_secret(secret, dict(secret.data) | {"k-new.pem": pem, "current": b"k-new\n"})
    after = await load_server_keys(kube, system_namespace)
    assert (fresh, after.current_id) == (before.current_id, "k-new")
    assert after.get(before.current_id) is not None
    assert after.get("k-gone") is None
    await delete_namespace(kube, system_namespace)


async def test_a_damaged_key_ends_the_start_and_is_not_replaced(kube: KubeClient, system_namespace: str) -> None:
    await kube.create_secret(system_namespace, SECRET_NAME, {"current": b"k-1", "k-1.pem": b"damaged"})
    with pytest.raises(InvalidKeyError):
        await load_server_keys(kube, system_namespace)
    assert (await kube.get_secret(system_namespace, SECRET_NAME)).data["k-1.pem"] == b"damaged"
    await delete_namespace(kube, system_namespace)


async def used_at(kube: KubeClient, home: Organized) -> datetime | None:
    return (await kube.get(ApiToken, home.namespace, "ci")).status.last_used_at


async def test_the_last_use_of_a_token_is_written_at_most_once_a_minute(
    settings: Settings, kube: KubeClient, home: Organized
) -> None:
    clock, headers = MovableClock(), {"Authorization": f"Bearer {home.token}"}
    clock.ahead = 86_400
    async with served(settings, clock) as replica, replica.client() as http:
        usage = replica.context.usage
        for _ in range(10):
            assert (await http.get("/token", headers=headers)).status_code == 200
        await usage.flush()
        first = await used_at(kube, home)
        assert first is not None
        assert abs((first - clock.now()).total_seconds()) < 10
        version = (await kube.get(ApiToken, home.namespace, "ci")).metadata.resource_version
        clock.ahead += 50
        assert (await http.get("/token", headers=headers)).status_code == 200
        await usage.flush()
        assert (await kube.get(ApiToken, home.namespace, "ci")).metadata.resource_version == version
        clock.ahead += 11
        await usage.flush()  # nobody has used it again: the use that was not due is not lost
        second = await used_at(kube, home)
        assert second is not None
        assert timedelta(seconds=49) <= second - first < timedelta(seconds=61)
        clock.ahead += 5
        assert (await http.get("/token", headers=headers)).status_code == 200
    third = await used_at(kube, home)  # the end of the process writes what is left
    assert third is not None
    assert third > second


async def test_the_running_replica_writes_by_itself_and_shows_it(
    http: httpx.AsyncClient, kube: KubeClient, home: Organized, owner: dict[str, str], replica: Replica
) -> None:
    body = {"name": "used", "scopeType": "agent", "agentIds": [home.agent.agent_id]}
    made = (await http.post(f"/orgs/{home.namespace}/api-tokens", json=body, headers=owner)).json()
    assert made["lastUsedAt"] is None
    assert (await http.get("/token", headers={"Authorization": f"Bearer {made['plainToken']}"})).status_code == 200

    async def shown() -> bool:
        listed = (await http.get(f"/orgs/{home.namespace}/api-tokens", headers=owner)).json()
        return next(one["lastUsedAt"] for one in listed if one["id"] == made["id"]) is not None

    await until(shown, True)


async def test_a_wrong_token_is_no_use(http: httpx.AsyncClient, replica: Replica, home: Organized) -> None:
    clock = MovableClock()
    usage = TokenUsage(replica.context.kube, replica.context.caches.tokens, clock)
    clock.ahead = 2 * 86_400
    await usage.flush(all_of_them=True)  # nothing was noted: nothing is written
    before = await used_at(replica.context.kube, home)
    refused(await http.get("/token", headers={"Authorization": f"Bearer {home.token[:-1]}"}), 401, "invalid_token")
    assert await used_at(replica.context.kube, home) == before
    assert before is None or before < datetime.now(UTC) + timedelta(days=2)


async def test_what_the_api_server_refuses_is_422_and_none_of_its_words_are_told(
    http: httpx.AsyncClient, kube: KubeClient, home: Organized, owner: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    # An admission policy of the cluster's owner: a rule that no schema of ours knows.
    word = f"forbidden{secrets.token_hex(4)}"
    path = "/apis/admissionregistration.k8s.io/v1"
    rules = [{"apiGroups": ["deplite.io"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["triggers"]}]
    expression = f"!object.spec.displayName.contains('{word}')"
    policy = {
        "metadata": {"name": word},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": rules},
            "validations": [
                {"expression": expression, "message": "internal words of the cluster", "reason": "Invalid"}
            ],
        },
    }
    binding = {"metadata": {"name": word}, "spec": {"policyName": word, "validationActions": ["Deny"]}}
    await kube.connection.request("POST", f"{path}/validatingadmissionpolicies", body=policy)
    await kube.connection.request("POST", f"{path}/validatingadmissionpolicybindings", body=binding)
    body = {"agentId": home.agent.agent_id, "name": f"{word} trigger", "workflowName": "deploy-prod"}

    async def status() -> int:
        answer = await http.post(f"/orgs/{home.namespace}/triggers", json=body, headers=owner)
        return answer.status_code

    await until(status, 422)
    answer = await http.post(f"/orgs/{home.namespace}/triggers", json=body, headers=owner)
    await kube.connection.request("DELETE", f"{path}/validatingadmissionpolicybindings/{word}")
    await kube.connection.request("DELETE", f"{path}/validatingadmissionpolicies/{word}")
    refused(answer, 422, "validation_error")
    assert "internal words" not in answer.text
    assert "internal words" in caplog.text  # they are for the log


async def test_while_the_cluster_is_away_reads_go_on_and_writes_are_503(
    settings: Settings, control_plane: ControlPlane, home: Organized, owner: dict[str, str], tmp_path: Path
) -> None:
    async with FaultProxy(control_plane.port) as proxy:
        kubeconfig = tmp_path / "kubeconfig"
        assert settings.kubeconfig is not None
        kubeconfig.write_text(settings.kubeconfig.read_text().replace(f":{control_plane.port}", f":{proxy.port}"))
        behind = settings.model_copy(update={"kubeconfig": kubeconfig, "waits": Waits()})
        async with served(behind) as replica, replica.client() as http:
            path = f"/triggers/{home.trigger_id}"

            async def status() -> int:
                return (await http.patch(path, json={"suspended": False}, headers=owner)).status_code

            await until(status, 200)
            await proxy.refuse()
            answer = await http.patch(path, json={"suspended": False}, headers=owner)
            assert refused(answer, 503, "unavailable")["retryAfter"] >= 1
            for good in ("/livez", path):
                assert (await http.get(good, headers=owner)).status_code == 200
            # What the caches do not know may have been made a moment ago.
            refused(await http.get("/triggers/tr-aaaaaaaaaaaaaaaa", headers=owner), 503, "unavailable")
            await proxy.accept()
            await until(status, 200)
