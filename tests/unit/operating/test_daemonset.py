"""The DaemonSet of a pool: what each field of the spec comes to, and that pods keep Pod Security `restricted`."""

from typing import Any

import pytest

from deplite.resources import AgentPool
from deplite_operator.policies.daemonset import HASH_ANNOTATION, daemon_set
from deplite_operator.settings import AgentPods
from tests.unit.operating.builders import pool

RELEASE = AgentPods(image="deplite/agent:1", url="http://deplite-apiserver.deplite-system.svc")


def pod_of(given: AgentPool, release: AgentPods = RELEASE) -> dict[str, Any]:
    return dict(daemon_set(given, release)["spec"]["template"]["spec"])


def agent_of(given: AgentPool, release: AgentPods = RELEASE) -> dict[str, Any]:
    (container,) = pod_of(given, release)["containers"]
    return dict(container)


def environment(given: AgentPool) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in agent_of(given)["env"]}


def said(given: AgentPool, release: AgentPods = RELEASE) -> str:
    return str(daemon_set(given, release)["metadata"]["annotations"][HASH_ANNOTATION])


def test_names_labels_and_the_owner() -> None:
    body = daemon_set(pool(), RELEASE)
    assert (body["metadata"]["namespace"], body["metadata"]["name"]) == ("org-a", "linux-agents")
    assert body["spec"]["selector"]["matchLabels"].items() <= body["spec"]["template"]["metadata"]["labels"].items()
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("AgentPool", "linux", True)
    assert "blockOwnerDeletion" not in owner
    assert "finalizers" not in body["metadata"]
    assert pod_of(pool())["serviceAccountName"] == "linux-agents"


def test_what_the_spec_says_is_what_the_pods_are() -> None:
    given = pool(
        image="mine:2",
        imagePullPolicy="Always",
        imagePullSecrets=[{"name": "pull"}],
        nodeSelector={"disk": "ssd"},
        tolerations=[{"key": "dedicated", "operator": "Exists"}],
        priorityClassName="high",
        resources={"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        concurrency=3,
        terminationGracePeriodSeconds=120,
        maxUnavailable="25%",
        podLabels={"team": "shop", "app.kubernetes.io/name": "mine"},
        podAnnotations={"a": "b"},
    )
    body, found = daemon_set(given, RELEASE), pod_of(given)
    assert body["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == "25%"
    metadata = body["spec"]["template"]["metadata"]
    assert metadata["labels"]["team"] == "shop"
    assert metadata["labels"]["app.kubernetes.io/name"] == "mine"
    assert metadata["labels"]["deplite.io/pool"] == "linux"
    assert metadata["annotations"] == {"a": "b"}
    assert found["nodeSelector"] == {"kubernetes.io/os": "linux", "disk": "ssd"}
    assert found["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert found["imagePullSecrets"] == [{"name": "pull"}]
    assert found["priorityClassName"] == "high"
    assert found["terminationGracePeriodSeconds"] == 120
    agent = agent_of(given)
    assert (agent["image"], agent["imagePullPolicy"]) == ("mine:2", "Always")
    assert agent["resources"] == {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}
    assert environment(given)["DEPLITE_CONCURRENCY"] == "3"


def test_empty_texts_of_a_toleration_are_left_out_as_the_api_server_does() -> None:
    given = pool(tolerations=[{"key": "a", "value": "", "tolerationSeconds": 0}, {"key": "", "operator": "Exists"}])
    assert pod_of(given)["tolerations"] == [{"key": "a", "tolerationSeconds": 0}, {"operator": "Exists"}]


def test_what_it_does_not_say_is_what_the_release_says() -> None:
    release = AgentPods(image="deplite/agent:1", url=RELEASE.url, pull_policy="Never")
    agent = agent_of(pool(), release)
    assert (agent["image"], agent["imagePullPolicy"]) == ("deplite/agent:1", "Never")
    assert "resources" not in agent
    assert not {"tolerations", "imagePullSecrets", "priorityClassName"} & pod_of(pool()).keys()
    assert environment(pool())["DEPLITE_URL"] == RELEASE.url


@pytest.mark.parametrize(("grace", "drain"), [(60, 10), (600, 550), (86_400, 86_350)])
def test_jobs_stop_so_early_that_their_end_is_still_told(grace: int, drain: int) -> None:
    found = environment(pool(terminationGracePeriodSeconds=grace))
    assert int(found["DEPLITE_DRAIN_SECONDS"]) == drain
    assert drain + int(found["DEPLITE_GRACE_SECONDS"]) + int(found["DEPLITE_DELIVERY_SECONDS"]) < grace


def test_pods_are_restricted_and_touch_nothing_of_the_node() -> None:
    given = pool(workflows={"configMap": "flows"}, secretName="keys")
    found, agent = pod_of(given), agent_of(given)
    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert agent["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    kinds = {next(key for key in volume if key != "name") for volume in found["volumes"]}
    assert kinds == {"emptyDir", "projected", "configMap", "secret"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & found.keys()
    assert found["enableServiceLinks"] is False


def test_users_are_ours_to_choose_or_the_platforms() -> None:
    ids = {"runAsUser", "runAsGroup", "fsGroup"}
    ours, theirs = (
        pod_of(pool(), AgentPods(image=RELEASE.image, url=RELEASE.url, fixed_ids=fixed))["securityContext"]
        for fixed in (True, False)
    )
    assert {ours[name] for name in ids} == {65532}
    assert theirs == {name: value for name, value in ours.items() if name not in ids}


def test_workflows_and_secrets_are_mounted_whole_so_that_an_edit_gets_there() -> None:
    given = pool(workflows={"configMap": "flows"}, secretName="keys")
    mounts = {mount["mountPath"]: mount for mount in agent_of(given)["volumeMounts"]}
    assert not any("subPath" in mount for mount in mounts.values())
    assert mounts[environment(given)["DEPLITE_WORKFLOWS_DIR"]]["name"] == "workflows"
    assert mounts[environment(given)["DEPLITE_SECRETS_DIR"]]["name"] == "secrets"
    assert mounts[environment(given)["DEPLITE_STATE_DIR"]]["name"] == "state"
    names = {mount["name"] for mount in agent_of(pool())["volumeMounts"]}
    assert names == {"state", "tmp", "token"}  # the image's own workflows stay in sight


def test_the_token_is_for_enrolling_and_lies_where_the_agent_looks() -> None:
    (token,) = (volume["projected"] for volume in pod_of(pool())["volumes"] if volume["name"] == "token")
    (source,) = (one["serviceAccountToken"] for one in token["sources"])
    (mount,) = (one for one in agent_of(pool())["volumeMounts"] if one["name"] == "token")
    assert source["audience"] == "deplite-agent"
    assert f"{mount['mountPath']}/{source['path']}" == environment(pool())["DEPLITE_TOKEN_FILE"]


def test_the_hash_changes_with_all_that_is_said_and_with_nothing_else() -> None:
    assert said(pool()) == said(pool(status={"desired": 3}))
    others = [pool(image="x"), pool(maxUnavailable=2), pool(podLabels={"a": "b"}), pool(secretName="s")]
    assert len({said(one) for one in [pool(), *others]}) == 5
    assert said(pool()) != said(pool(), AgentPods(image="deplite/agent:2", url=RELEASE.url))
    assert said(pool()) == said(pool(ttlSecondsAfterDisconnected=300))  # of the operator, and none of the pods'
