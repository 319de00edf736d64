"""Two tools apply by server-side apply, each its own fields, while the operator works: nobody takes from another."""

from typing import Any

from tests.gitops.shop import Shop

NAMESPACE = "org-outlet"
KINDS = "organizations,agents,enrollmenttokens,triggers,apitokens"
ARGOCD = f"kubectl apply --server-side --field-manager=argocd -f {NAMESPACE}"
FLUX = "kubectl apply --server-side --field-manager=flux -f of-flux.yaml"
OF_FLUX = f"""
apiVersion: deplite.io/v1alpha1
kind: Trigger
metadata:
  name: deploy-web
  namespace: {NAMESPACE}
  annotations: {{example.com/team: web}}
spec:
  responseMode: sync
  timeouts: {{queueSeconds: 60}}
---
apiVersion: deplite.io/v1alpha1
kind: ApiToken
metadata: {{name: github-actions, namespace: {NAMESPACE}}}
spec:
  allowedCIDRs: [192.0.2.0/24]
"""


async def objects(shop: Shop) -> list[dict[str, Any]]:
    return (await shop.read(KINDS, namespace=NAMESPACE))["items"]  # type: ignore[no-any-return]


def owners(item: dict[str, Any], part: str) -> set[str]:
    return {entry["manager"] for entry in item["metadata"]["managedFields"] if f"f:{part}" in entry["fieldsV1"]}


async def test_two_appliers_and_the_operator_never_fight(applied: Shop) -> None:
    await applied.run(f"cp -r examples/gitops {NAMESPACE} && sed -i s/org-shop/{NAMESPACE}/ {NAMESPACE}/*.yaml")
    (applied.folder / "of-flux.yaml").write_text(OF_FLUX)
    ready = (
        f"kubectl -n {NAMESPACE} wait --for=condition=Ready organization,enrollmenttokens,apitokens --all --timeout=60s"
    )
    try:
        for _ in range(2):
            await applied.run(ARGOCD)
            await applied.run(FLUX)
            await applied.run(ready)
        before = await objects(applied)
        for command in (ARGOCD, FLUX) * 3:
            await applied.run(command)
        await applied.run(ARGOCD.replace("apply", "diff"))
        await applied.run(FLUX.replace("apply", "diff"))
        after = await objects(applied)
        assert [one["metadata"]["generation"] for one in after] == [one["metadata"]["generation"] for one in before]
        assert {one["metadata"]["name"]: owners(one, "spec") for one in after} == {
            "organization": {"argocd"},
            "web-1": {"argocd"},
            "deploy-web": {"argocd", "flux"},
            "nightly-check": {"argocd"},
            "github-actions": {"argocd", "flux"},
        }
        for one in after:
            assert owners(one, "metadata") <= {"argocd", "flux"}
            assert {"deplite-operator"} <= owners(one, "status") <= {"deplite-operator", "deplite-apiserver"}
            assert one["status"]["observedGeneration"] == one["metadata"]["generation"]
        await applied.run(f"{FLUX} --dry-run=server")
        (applied.folder / "of-flux.yaml").write_text(OF_FLUX.replace("responseMode: sync", "workflow: another"))
        await applied.run(FLUX, code=1)  # a field of argocd's: the API server refuses it, and nothing was overwritten
        (trigger,) = [one for one in await objects(applied) if one["metadata"]["name"] == "deploy-web"]
        assert trigger["spec"]["workflow"] == "deploy-prod"
    finally:
        await applied.run(f"kubectl delete namespace {NAMESPACE} --wait=false")
