"""The example does what its README says, typed from there."""

import asyncio
import base64
import re
from typing import Any

from deplite.resources.identifiers import object_id
from deplite_agent.transport import ENROL_AGAIN
from tests.gitops.conftest import start_machine
from tests.gitops.readme import typed, typed_without_github, workflow
from tests.gitops.shop import NAMESPACE, Shop

KINDS = "organizations,agents,enrollmenttokens,triggers,apitokens"
OURS = {"deplite-operator", "deplite-apiserver"}
TOKEN_FILE = "50-github-actions.yaml"
TRIGGER_FILE = "40-deploy-web.yaml"


async def statuses(shop: Shop) -> dict[str, dict[str, Any]]:
    """Return what people rely on of each object: its id and, for a trigger, its address."""
    found = {}
    for item in (await shop.read(KINDS))["items"]:
        status = item["status"]
        kept = {name: status[name] for name in ("id", "url") if name in status}
        found[f"{item['kind']}/{item['metadata']['name']}"] = kept
    return found


async def token_of(shop: Shop) -> str:
    return base64.b64decode((await shop.read("secret", "github-actions-token"))["data"]["token"]).decode()


async def fire(shop: Shop, token: str) -> int:
    """Fire the trigger and return the answer's status code."""
    url = (await shop.read("trigger", "deploy-web"))["status"]["url"]
    async with shop.person() as client:
        answer = await client.post(url, headers={"Authorization": f"Bearer {token}"}, json={"ref": "main"})
    return answer.status_code


async def test_all_of_it_is_ready_at_the_same_time(applied: Shop) -> None:
    await applied.run(f"kubectl -n {NAMESPACE} wait --for=condition=Ready {KINDS} --all --timeout=60s")
    (code,) = (await applied.read("enrollmenttokens"))["items"]
    assert code["status"]["conditions"][0]["reason"] == "Spent"
    assert [use["agent"] for use in code["status"]["usedBy"]] == ["web-1"]


async def test_the_secrets_have_the_keys_and_nothing_that_a_tool_would_take_for_its_own(applied: Shop) -> None:
    secrets = {item["metadata"]["name"]: item for item in (await applied.read("secrets"))["items"]}
    assert set(secrets) == {"web-1-enrollment", "github-actions-token"}
    for secret in secrets.values():
        assert set(secret["data"]) == {"token", "url"}
        assert base64.b64decode(secret["data"]["url"]).decode() == applied.url
        assert {name.partition("/")[0] for name in secret["metadata"]["labels"]} == {"deplite.io"}
        assert {"annotations", "ownerReferences"}.isdisjoint(secret["metadata"])
    assert re.fullmatch(r"tk_[0-9A-Za-z]{36}", await token_of(applied))


async def test_ci_deploys_with_the_key_from_the_secret(applied: Shop) -> None:
    (step,) = workflow("Deploy from CI")["jobs"]["deploy"]["steps"]
    assert step["env"] == {"WEBHOOK": "${{ vars.DEPLITE_WEBHOOK }}", "TOKEN": "${{ secrets.DEPLITE_TOKEN }}"}
    show = '\nprintf "%s\\n" "$webhook" "$token"'
    webhook, token = (await applied.run(typed_without_github("Deploy from CI") + show)).splitlines()
    github = {"GITHUB_RUN_ID": "17", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_REF_NAME": "main"}
    github |= {"WEBHOOK": webhook, "TOKEN": token}
    said = [await applied.run(step["run"], github, shell=step["shell"]) for _ in range(2)]
    assert said == ["success\n"] * 2
    every = (await applied.read("deployjobs"))["items"]
    jobs = [one for one in every if one["spec"]["trigger"] == "deploy-web"]
    assert all("ownerReferences" not in one["metadata"] for one in every)
    assert [(job["spec"]["ref"], job["status"]["phase"]) for job in jobs] == [("main", "Succeeded")]
    await applied.run(step["run"], github | {"GITHUB_REF_NAME": "feature"}, code=22, shell=step["shell"])


async def test_nothing_differs_once_it_has_settled(applied: Shop) -> None:
    await applied.run("kubectl diff -f examples/gitops")  # exit code 1 where something does
    before = await applied.read(KINDS)
    said = await applied.run("kubectl apply -f examples/gitops")
    assert {line.rpartition(" ")[2] for line in said.splitlines()} == {"unchanged"}
    after = await applied.read(KINDS)
    assert len(after["items"]) == 6
    for old, new in zip(before["items"], after["items"], strict=True):
        assert (new["metadata"]["generation"], new["spec"]) == (old["metadata"]["generation"], old["spec"])


async def test_the_parts_own_nothing_but_statuses(applied: Shop) -> None:
    writers = set()
    for item in (await applied.read(KINDS))["items"]:
        for entry in item["metadata"]["managedFields"]:
            if entry["manager"] != "kubectl-client-side-apply":
                writers.add(entry["manager"])
                assert (entry["subresource"], set(entry["fieldsV1"])) == ("status", {"f:status"})
    assert writers == OURS


async def test_rest_changes_nothing_that_is_in_git(applied: Shop) -> None:
    trigger, token, agent = (
        object_id(kind, NAMESPACE, name)
        for kind, name in (("tr", "deploy-web"), ("tok", "github-actions"), ("ag", "web-1"))
    )
    async with applied.person() as ada:
        answers = [
            await ada.patch(f"/triggers/{trigger}", json={"name": "Mine"}),
            await ada.delete(f"/triggers/{trigger}"),
            await ada.delete(f"/orgs/{NAMESPACE}/api-tokens/{token}"),
            await ada.post(f"/orgs/{NAMESPACE}/api-tokens/{token}/rotate"),
            await ada.patch(f"/agents/{agent}", json={"name": "Mine"}),
        ]
        assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "managed_in_git")] * 5
    await applied.run("kubectl diff -f examples/gitops")


async def test_rest_shows_what_kubectl_changed_and_git_takes_it_back(applied: Shop) -> None:
    trigger = object_id("tr", NAMESPACE, "deploy-web")

    async def named(name: str) -> None:
        async with applied.person("grace") as grace, asyncio.timeout(60):
            while (await grace.get(f"/triggers/{trigger}")).json()["name"] != name:
                await asyncio.sleep(0.1)

    patch = '{"spec": {"displayName": "By hand"}}'
    await applied.run(f"kubectl -n {NAMESPACE} patch trigger deploy-web --type merge -p '{patch}'")
    await named("By hand")
    await applied.run("kubectl diff -f examples/gitops", code=1)
    await applied.run("kubectl apply -f examples/gitops")
    await named("Deploy the web shop")


async def test_what_rest_made_stays_when_git_is_applied_and_pruned(applied: Shop) -> None:
    agent = object_id("ag", NAMESPACE, "web-1")
    async with applied.person() as ada:
        body = {"agentId": agent, "name": "By hand", "workflowName": "smoke-test"}
        made = await ada.post(f"/orgs/{NAMESPACE}/triggers", json=body)
        assert made.status_code == 201, made.text
        await applied.run(typed("Take something out"))
        assert (await ada.get(f"/triggers/{made.json()['id']}")).status_code == 200
        assert (await ada.delete(f"/triggers/{made.json()['id']}")).status_code == 204


async def test_a_machine_that_was_revoked_over_rest_stays_so(applied: Shop) -> None:
    stolen, agent = "31-web-2.yaml", object_id("ag", NAMESPACE, "web-2")
    applied.write(stolen, applied.file("30-web-1.yaml").partition("---")[0].replace("web-1", "web-2"))
    await applied.run("kubectl apply -f examples/gitops")
    async with applied.person() as ada, asyncio.timeout(60):
        while (await ada.delete(f"/agents/{agent}")).status_code != 204:
            await asyncio.sleep(0.1)
    await applied.run("kubectl apply -f examples/gitops && kubectl diff -f examples/gitops")
    assert (await applied.read("agent", "web-2"))["spec"]["revoked"] is True
    applied.remove(stolen)
    assert "agent.deplite.io/web-2 pruned\n" in await applied.run(typed("Take something out"))


async def test_a_trigger_that_left_git_is_pruned_and_its_token_says_so(applied: Shop) -> None:
    before, token, text = await statuses(applied), await token_of(applied), applied.file(TRIGGER_FILE)
    applied.remove(TRIGGER_FILE)
    said = await applied.run(typed("Take something out"))
    assert "trigger.deplite.io/deploy-web pruned\n" in said
    reason = "jsonpath={.status.conditions[0].reason}"
    await applied.run(f"kubectl -n {NAMESPACE} wait apitoken/github-actions --for={reason}=GrantNotFound --timeout=60s")
    assert await statuses(applied) == {name: one for name, one in before.items() if name != "Trigger/deploy-web"}
    applied.write(TRIGGER_FILE, text)
    await applied.run("kubectl apply -f examples/gitops")
    await applied.run(typed("Start the machine", 2))
    await applied.run(typed("Apply").splitlines()[1])
    assert (await statuses(applied), await token_of(applied)) == (before, token)


async def test_pruning_by_the_label_leaves_out_what_has_none(applied: Shop) -> None:
    label = "  labels:\n    app.kubernetes.io/part-of: org-shop\n"
    head = "apiVersion: deplite.io/v1alpha1\nkind: SlackInstallation\nmetadata:\n  name: acme\n  namespace: org-shop\n"
    spec = "spec: {teamId: T0AAAAAAA, secretName: slack-acme}\n"
    applied.write("60-acme.yaml", head + spec)
    assert "acme" not in await applied.run(typed("Take something out"))
    applied.write("60-acme.yaml", head + label + spec)
    assert "slackinstallation.deplite.io/acme created\n" in await applied.run(typed("Take something out"))
    applied.remove("60-acme.yaml")
    assert "slackinstallation.deplite.io/acme pruned\n" in await applied.run(typed("Take something out"))


async def test_an_apply_set_prunes_as_well(applied: Shop) -> None:
    apply = f"KUBECTL_APPLYSET=true kubectl apply -n {NAMESPACE} --prune --applyset=shop -f examples/gitops"
    text = applied.file("41-nightly-check.yaml")
    await applied.run(apply)
    applied.remove("41-nightly-check.yaml")
    assert "trigger.deplite.io/nightly-check pruned\n" in await applied.run(apply)
    assert {item["metadata"]["name"] for item in (await applied.read("secrets"))["items"]} == {
        *("web-1-enrollment", "github-actions-token"),
        "shop",  # the set itself
    }
    applied.write("41-nightly-check.yaml", text)
    assert "nightly-check created\n" in await applied.run(apply)


async def test_a_raised_rotation_replaces_the_key_at_once(applied: Shop) -> None:
    old, text = await token_of(applied), applied.file(TOKEN_FILE)
    assert await fire(applied, old) == 202
    applied.write(TOKEN_FILE, text + "  rotation: 1\n")
    await applied.run("kubectl apply -f examples/gitops")
    async with asyncio.timeout(60):
        while (new := await token_of(applied)) == old:
            await asyncio.sleep(0.1)
        while (await fire(applied, old), await fire(applied, new)) != (401, 202):
            await asyncio.sleep(0.1)
    await applied.run("kubectl diff -f examples/gitops")


async def test_deleted_and_applied_again_it_has_the_same_ids_and_addresses(applied: Shop) -> None:
    before, token = await statuses(applied), await token_of(applied)
    assert len(before) == 6
    await applied.run(typed("Delete, and apply again"))
    await applied.run(typed("Apply"))
    await start_machine(applied, "web-1-anew")
    forgotten = applied.folder.parent / "web-1" / "agent.log"
    async with asyncio.timeout(60):
        while ENROL_AGAIN not in forgotten.read_text():
            await asyncio.sleep(0.1)
    assert await statuses(applied) == before
    assert await token_of(applied) != token
    assert (await fire(applied, token), await fire(applied, await token_of(applied))) == (401, 202)
