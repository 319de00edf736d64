"""What all pods have in common is one template: `pods` is for all of them, and what a component says goes first."""

from typing import Any

import pytest

from tests.chart.chart import FILES, NAMESPACE, Helm, HelmError, Object, of_kind, ours, pods, values

PARTS = ("deplite-apiserver", "deplite-operator")
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
LINUX = {"kubernetes.io/os": "linux"}


@pytest.fixture(scope="module")
def production(rendered: dict[str, list[Object]]) -> dict[str, Object]:
    return pods(rendered["production"])


def parts(objects: list[Object], kind: str) -> list[Object]:
    return [found for name, found in of_kind(objects, kind).items() if name.startswith(f"{NAMESPACE}/deplite-")]


@pytest.mark.parametrize("name", FILES)
def test_only_our_container_gets_the_token_and_only_of_a_part_that_needs_it(
    rendered: dict[str, list[Object]], name: str
) -> None:
    for owner, template in pods(rendered[name]).items():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        mounted = [
            container["name"]
            for container in spec["containers"]
            if any(mount["mountPath"] == TOKEN for mount in container.get("volumeMounts", []))
        ]
        assert mounted == ([ours(template)["name"]] if owner in PARTS else [])
    for account in of_kind(rendered[name], "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


def test_the_token_lies_where_it_always_does(production: dict[str, Object]) -> None:
    for part in PARTS:
        (volume,) = (one for one in production[part]["spec"]["volumes"] if one["name"] == "account")
        paths = [
            item["path"]
            for source in volume["projected"]["sources"]
            for kind in source.values()
            for item in kind.get("items", [kind])
        ]
        assert paths == ["token", "ca.crt", "namespace"]


def test_pods_stay_off_other_systems_unless_told(rendered: dict[str, list[Object]]) -> None:
    for template in pods(rendered["trial"]).values():
        assert template["spec"]["nodeSelector"] == LINUX


def test_what_is_said_for_all_is_in_each(production: dict[str, Object]) -> None:
    for part in PARTS:
        spec = production[part]["spec"]
        assert production[part]["metadata"]["labels"]["all"] == "pods"
        assert production[part]["metadata"]["annotations"]["all"] == "pods"
        assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("system-cluster-critical", "gvisor")
        assert spec["dnsPolicy"] == "None"
        assert spec["dnsConfig"]["options"] == [{"name": "ndots", "value": "2"}]
        assert spec["hostAliases"] == [{"ip": "10.1.2.3", "hostnames": ["s3.internal"]}]
        assert "nodeAffinity" in spec["affinity"]
        assert spec["imagePullSecrets"] == [{"name": "pull"}]
        assert {"name": "extra", "mountPath": "/extra", "readOnly": True} in ours(production[part])["volumeMounts"]
        assert {"name": "extra", "configMap": {"name": "extra"}} in spec["volumes"]
        assert ours(production[part])["image"].startswith("mirror.example.com/path/deplite/")


def test_what_a_part_says_goes_first(production: dict[str, Object]) -> None:
    apiserver, operator = (production[part] for part in PARTS)
    annotations = apiserver["metadata"]["annotations"]
    assert (annotations["all"], annotations["own"]) == ("pods", "apiserver")
    assert "own" not in operator["metadata"]["annotations"]
    assert apiserver["spec"]["nodeSelector"] == LINUX | {"pool": "apiserver"}
    assert operator["spec"]["nodeSelector"] == LINUX | {"pool": "platform"}
    assert (apiserver["spec"]["hostUsers"], operator["spec"]["hostUsers"]) == (True, False)
    assert operator["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert [one["name"] for one in apiserver["spec"]["containers"]] == ["apiserver", "beside"]
    assert [one["name"] for one in operator["spec"]["containers"]] == ["operator"]


def test_a_security_context_is_added_to_ours(rendered: dict[str, list[Object]], production: dict[str, Object]) -> None:
    security = production["deplite-operator"]["spec"]["securityContext"]
    assert (security["runAsUser"], security["runAsNonRoot"], security["supplementalGroups"]) == (65532, True, [4000])
    assert security["seccompProfile"] == {"type": "Localhost", "localhostProfile": "deplite.json"}
    inner = ours(production["deplite-operator"])["securityContext"]
    assert inner["appArmorProfile"] == {"type": "RuntimeDefault"}
    assert inner["readOnlyRootFilesystem"] is True
    for template in pods(rendered["ephemeral"]).values():
        chosen = template["spec"]["securityContext"]
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(chosen)
        assert chosen["runAsNonRoot"] is True


async def test_a_large_id_arrives_as_it_was_said(helm: Helm) -> None:
    objects = await helm.template(*values("smallest"), "--set", "pods.securityContext.runAsUser=1000660000")
    for template in pods(objects).values():
        assert template["spec"]["securityContext"]["runAsUser"] == 1_000_660_000


def test_constraints_count_the_pods_of_their_part(
    rendered: dict[str, list[Object]], production: dict[str, Object]
) -> None:
    for template in (*production.values(), pods(rendered["trial"])["deplite-apiserver"]):
        ((constraint),) = template["spec"]["topologySpreadConstraints"]
        counted = constraint["labelSelector"]["matchLabels"]
        assert counted.items() <= template["metadata"]["labels"].items()
        assert counted["app.kubernetes.io/component"] == ours(template)["name"]
    assert "topologySpreadConstraints" not in pods(rendered["smallest"])["deplite-apiserver"]["spec"]


def test_labels_are_on_everything_and_ours_stay(rendered: dict[str, list[Object]]) -> None:
    for found in rendered["production"]:
        labels = found["metadata"].get("labels")
        if labels is None:  # what the platform adds by itself
            assert found["metadata"]["name"] in ("extra", "extra-deplite")
            continue
        assert (labels["team"], labels["app.kubernetes.io/name"]) in (
            ("platform", "deplite"),
            ("shop", "deplite"),  # the organization's own
        )


def test_extra_objects_are_rendered(rendered: dict[str, list[Object]]) -> None:
    maps = of_kind(rendered["production"], "ConfigMap")
    assert maps["deplite-system/extra"]["data"] == {"whose": "deplite"}
    assert "deplite-system/extra-deplite" in maps


def test_several_operators_wait_for_each_other(rendered: dict[str, list[Object]]) -> None:
    several = of_kind(rendered["production"], "Deployment")["deplite-system/deplite-operator"]
    alone = of_kind(rendered["trial"], "Deployment")["deplite-system/deplite-operator"]
    assert (several["spec"]["replicas"], several["spec"]["strategy"]["type"]) == (2, "RollingUpdate")
    assert (alone["spec"]["replicas"], alone["spec"]["strategy"]["type"]) == (1, "Recreate")

    def asked(deployment: Object) -> Any:
        return ours(deployment["spec"]["template"])["readinessProbe"]["httpGet"]["path"]

    assert (asked(several), asked(alone)) == ("/standbyz", "/readyz")


def test_budgets_are_there_where_more_than_one_is(rendered: dict[str, list[Object]]) -> None:
    def budgets(name: str) -> dict[str, Any]:
        found = of_kind(rendered[name], "PodDisruptionBudget")
        return {
            key: {field: value for field, value in budget["spec"].items() if field.endswith("vailable")}
            for key, budget in found.items()
        }

    assert budgets("production") == {
        "deplite-system/deplite-apiserver": {"minAvailable": "50%"},
        "deplite-system/deplite-operator": {"maxUnavailable": 1},
    }
    assert budgets("trial") == {"deplite-system/deplite-apiserver": {"maxUnavailable": 1}}
    assert budgets("gateway") == budgets("smallest") == {}


def test_probes_take_what_is_said(production: dict[str, Object]) -> None:
    liveness = ours(production["deplite-apiserver"])["livenessProbe"]
    assert liveness == {
        "httpGet": {"path": "/livez", "port": "http"},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 9,
    }


def test_a_variable_may_come_from_a_secret(production: dict[str, Object]) -> None:
    (proxy,) = (one for one in ours(production["deplite-apiserver"])["env"] if one["name"] == "HTTPS_PROXY")
    assert proxy["valueFrom"] == {"secretKeyRef": {"name": "proxy", "key": "url"}}


def test_rights_may_be_somebody_elses(rendered: dict[str, list[Object]]) -> None:
    for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"):
        assert of_kind(rendered["gateway"], kind) == {}


async def test_our_kinds_stay_out_of_the_roles_of_the_cluster_if_told(helm: Helm) -> None:
    aggregated = "rbac.authorization.k8s.io/aggregate-to-view"
    for said, count in (("true", 1), ("false", 0)):
        objects = await helm.template(*values("smallest"), "--set", f"rbac.aggregateClusterRoles={said}")
        roles = of_kind(objects, "ClusterRole")
        assert "deplite-view" in roles
        assert sum(aggregated in role["metadata"]["labels"] for role in roles.values()) == count


def test_the_service_takes_what_a_load_balancer_needs(rendered: dict[str, list[Object]]) -> None:
    balanced = of_kind(rendered["gateway"], "Service")["deplite-system/deplite-apiserver"]["spec"]
    assert balanced["loadBalancerClass"] == "example.com/inner"
    assert balanced["loadBalancerSourceRanges"] == ["10.0.0.0/8"]
    assert balanced["externalTrafficPolicy"] == "Local"
    inner = of_kind(rendered["production"], "Service")["deplite-system/deplite-apiserver"]["spec"]
    assert (inner["ipFamilyPolicy"], inner["ipFamilies"]) == ("PreferDualStack", ["IPv4"])


@pytest.mark.parametrize(
    "wrong",
    ["pods.dnsPolicy=Host", "apiserver.rollingUpdate.maxSurge=some", "operator.replicas=0", "imageRegistry=/a"],
)
async def test_what_cannot_be_is_refused(helm: Helm, wrong: str) -> None:
    with pytest.raises(HelmError, match=wrong.partition("=")[0].replace(".", "[./]")):
        await helm.template(*values("smallest"), "--set", wrong)
