"""Off the machine again, with or without what it knew; deleted at the server, and revoked."""

import json
import re

from tests.host.host import EXAMPLE, UNIT, Host, typed, typed_there
from tests.host.site import NAMESPACE, TRY
from tests.kube.serving import until


def uninstall(arguments: str = "") -> str:
    """Return what the README has one type."""
    return typed_there("Uninstall").strip() + arguments


async def left(host: Host) -> list[str]:
    """Return what there is of it on the machine."""
    units = "/etc/systemd/system/deplite* /etc/systemd/system/*/deplite*"
    found = await host.machine.run(f"ls -d /etc/deplite /opt/* /var/lib/deplite-agent {units} 2>/dev/null || :")
    user = await host.machine.run("getent passwd deplite-agent | cut -d : -f 1 || :")
    return [*found.splitlines(), *user.splitlines()]


async def agent_id(host: Host) -> str:
    """Return which agent the machine is."""
    identity = json.loads(await host.machine.run("cat /var/lib/deplite-agent/identity.json"))
    return str(identity["agent_id"])


async def test_what_it_knows_stays_and_it_comes_back_as_the_same_agent(host: Host) -> None:
    before = (await host.site.agent())["status"]
    for _ in range(2):
        await host.machine.run(uninstall())
        assert await left(host) == ["/etc/deplite", "/var/lib/deplite-agent", "deplite-agent"]
    assert (await host.machine.ask(f"systemctl cat {UNIT}")).code == 1
    said = await host.install("--from /mnt/shared/wheels/deplite-0.1.0-py3-none-any.whl")
    assert said.code == 0, said
    assert re.search(r"^Connected as agent ag-\w+$", said.out, re.MULTILINE)
    after = (await host.site.agent())["status"]
    assert after["publicKey"] == before["publicKey"]


async def taken_back(host: Host, code: str) -> str:
    """Type what the README has typed with a new code; return what it printed."""
    await host.write("/root/web-1.code", code, mode="0600")
    said = await host.machine.ask(f"cd /root; {typed_there('Revoked or deleted, or to be another agent')}")
    assert said.code == 0, said
    return said.out


async def test_an_agent_that_was_deleted_comes_back_with_a_new_code_and_not_before(host: Host) -> None:
    before = (await host.site.agent())["metadata"]["uid"]
    await host.site.shop.run(f"kubectl -n {NAMESPACE} delete agent web-1 && kubectl apply -f host")

    async def asked_in_vain() -> bool:
        return "enrollment_code cannot be read (No such file or directory)" in await host.journal()

    await until(asked_in_vain, True)
    deleted = await host.site.agent()
    assert deleted["metadata"]["uid"] != before
    assert "publicKey" not in deleted.get("status", {})
    said = await taken_back(host, await host.site.secret("back-enrollment"))
    assert len(re.findall(r"^Connected as agent ag-\w+$", said, re.MULTILINE)) == 2  # with the code, and without
    assert await host.machine.run(f"ls /etc/deplite/enrollment /run/credentials/{UNIT}") == (
        f"/etc/deplite/enrollment:\n\n/run/credentials/{UNIT}:"
    )
    assert (await host.site.run("true")).status == "success"


async def test_an_agent_that_was_off_when_it_was_revoked_gives_way_to_a_new_code(host: Host) -> None:
    before = await agent_id(host)
    await host.machine.run(f"systemctl stop {UNIT}")
    async with host.site.shop.person() as ada:
        gone = await ada.delete(f"/agents/{before}")
        assert gone.status_code in (202, 204), gone.text
        minted = await ada.post(f"/orgs/{NAMESPACE}/agents/enroll-tokens", json={})
        assert minted.status_code == 201, minted.text
    await host.machine.run(f"systemctl start {UNIT}")
    await host.state("failed")
    assert await host.show("ExecMainStatus") == "3"
    assert await agent_id(host) == before  # that it was revoked was not signed: it has kept its key
    said = await taken_back(host, minted.json()["token"])
    after = await agent_id(host)
    assert after != before
    assert f"\nEnrolled as agent {after}\n" in said
    assert await host.machine.run("ls /etc/deplite/enrollment") == ""


async def test_revoked_and_purged_it_is_gone_and_a_new_code_enrols_the_machine_again(host: Host) -> None:
    async with host.site.shop.person() as ada:
        gone = await ada.delete(f"/agents/{await agent_id(host)}")
        assert gone.status_code in (202, 204), gone.text
    await host.state("failed")
    assert await host.show("ExecMainStatus") == "3"
    for _ in range(2):
        await host.machine.run(uninstall(" --purge"))
        assert await left(host) == []

    await host.site.shop.run(f"kubectl -n {NAMESPACE} delete agent web-1 && kubectl apply -f host")
    await host.write("/etc/deplite/agent.env", "DEPLITE_LOG_FORMAT=json\nDEPLITE_SCAN_SECONDS=1\n", mode="0600")
    spent, code = await host.site.secret("web-1-enrollment"), await host.site.secret("again-enrollment")
    await host.write("/root/spent", spent)
    again = f"--url {host.site.url} --from /mnt/shared/wheels --name web-one --code-file /root/spent"
    said = await host.install(again)
    assert said.code == 1
    assert "The server refuses the enrolment (401 invalid_enroll_token" in said.err
    assert await host.show("ExecMainStatus") == "78"
    assert await host.machine.run("ls /etc/deplite/enrollment") == ""
    await host.write("/root/web-1.code", code)
    await host.machine.run("cd /root; ln -s /mnt/shared/wheels /mnt/shared/clone/examples/host .")
    typing = typed("Without a network, or from elsewhere", number=1).replace(EXAMPLE, host.site.url)
    said = await host.machine.ask(f"cd /root; {typing}")
    assert said.code == 0, said
    assert re.search(r"^Enrolled as agent ag-\w+$", said.out, re.MULTILINE)
    assert await host.machine.run("grep NAME /etc/deplite/agent.env") == "DEPLITE_NAME=web-one"
    await host.write("/etc/deplite/workflows/try.yaml", TRY)
    assert (await host.site.run("true")).status == "success"
