"""A machine that was installed as the README says: enrolled, locked up, and nothing of the code left anywhere."""

import re

from tests.host.host import UNIT, Host, typed, typed_there


async def test_the_agent_is_enrolled_and_says_so(host: Host) -> None:
    assert re.search(r"^Enrolled as agent ag-[a-z2-7]{16}$", await host.journal(), re.MULTILINE)
    agent = await host.site.agent()
    assert agent["status"]["hostname"] == "web-1"
    assert await host.machine.run(f"systemctl is-enabled {UNIT}; systemctl is-active {UNIT}") == "enabled\nactive"
    assert await host.version() == "0.1.0"


async def test_the_code_is_nowhere_where_others_see_it(host: Host) -> None:
    code = await host.site.secret("web-1-enrollment")
    processes = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' || :"
    seen = await host.machine.run(
        f"{processes}; systemctl show {UNIT}; systemctl cat {UNIT}; journalctl"
        "; cat /etc/deplite/agent.env; ls /etc/deplite/enrollment"
    )
    assert f"DEPLITE_TOKEN_FILE=/run/credentials/{UNIT}/enrollment_code" in seen
    assert code not in seen
    assert await host.machine.run(f"grep -rlF {code} /etc /home /opt /root /run /srv /tmp /var || :") == ""


async def test_who_may_read_what(host: Host) -> None:
    listed = await host.machine.run(
        "cd /var/lib && stat -c '%A %U:%G %n' /etc/deplite /etc/deplite/* deplite-agent deplite-agent/key.pem /opt/*"
    )
    assert listed.splitlines() == [
        "drwxr-xr-x root:root /etc/deplite",
        "-rw------- root:root /etc/deplite/agent.env",
        "drwx------ root:root /etc/deplite/enrollment",
        "drwxr-x--- root:deplite-agent /etc/deplite/secrets",
        "drwxr-xr-x root:root /etc/deplite/workflows",
        "drwx------ deplite-agent:deplite-agent deplite-agent",
        "-rw------- deplite-agent:deplite-agent deplite-agent/key.pem",
        "drwxr-xr-x root:root /opt/deplite-agent",
    ]
    assert await host.machine.run("find /opt/deplite-agent /etc/deplite -perm /o+w ! -type l") == ""


async def test_what_the_administrator_had_set_is_kept(host: Host) -> None:
    lines = (await host.machine.run("cat /etc/deplite/agent.env")).splitlines()
    authorities = "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    assert lines == ["DEPLITE_SCAN_SECONDS=1", f"DEPLITE_URL={host.site.url}", authorities]


async def test_run_again_it_does_nothing(host: Host) -> None:
    before = await host.show("MainPID")
    said = await host.machine.ask(typed_there("Upgrade").replace("git pull", "true  # there is nothing new"))
    assert said.code == 0, said
    assert said.out.splitlines()[-1] == "deplite 0.1.0 runs already; there is nothing to do."
    assert await host.show("MainPID") == before


async def test_a_webhook_deploys_with_the_example_and_its_secret(host: Host) -> None:
    await host.machine.run(typed_there("A first workflow"))
    ended = await host.site.end(await host.site.begin(trigger="deploy-web", ref="main"))
    assert (ended.status, ended.exit_code) == ("success", 0)
    assert "replica 3 of 3: healthy" in ended.log
    assert "postgres://shop" not in ended.log
    shown = await host.machine.run(typed("A first workflow", number=1))
    assert "active (running)" in shown
    assert " as agent ag-" in shown


async def test_a_workflow_that_writes_files_has_a_folder_for_them(host: Host) -> None:
    report = await host.machine.run("cat /mnt/shared/clone/examples/workflows/machine-report.yaml")
    folder = "working-directory: /var/lib/deplite-agent/home\n"
    await host.write("/etc/deplite/workflows/machine-report.yaml", folder + report)
    ended = await host.site.end(await host.site.begin(trigger="report"))
    assert ended.status == "success", ended.log
    assert sorted(file["filename"] for file in ended.detail["files"]) == ["reports/disks.txt", "reports/system.txt"]


async def test_a_step_is_in_the_sandbox(host: Host) -> None:
    ended = await host.site.run("""
        id -un; echo "$HOME"; pwd
        touch "$HOME/mine" /tmp/mine && echo 'writes to its own'
        for path in /etc /opt /srv /usr /var/lib /root /home /etc/deplite/workflows; do
            touch "$path/mine" 2>/dev/null && echo "writes to $path"
        done
        ls /etc/deplite/enrollment /home/* 2>/dev/null && echo 'sees what it must not'
        grep -E '^(NoNewPrivs|Seccomp|CapBnd|CapEff):' /proc/self/status
        unshare --user true 2>/dev/null && echo 'makes namespaces'
        ls -d /proc/1 2>/dev/null && echo 'sees others'
        python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)' && echo 'compiles at run time'
        echo end
    """)
    assert (ended.status, ended.exit_code) == ("success", 0), ended.log
    for line in ("deplite-agent", "/var/lib/deplite-agent/home", "writes to its own", "compiles at run time", "end"):
        assert line in ended.log
    assert not re.search("writes to /|sees|makes namespaces", ended.log)
    status = dict(re.findall(r"(\w+):\s+(\w+)", ended.log))
    assert status == status | {"NoNewPrivs": "1", "Seccomp": "2", "CapBnd": "0" * 16, "CapEff": "0" * 16}
    assert await host.machine.run("ls -A /tmp | grep mine || :") == ""
