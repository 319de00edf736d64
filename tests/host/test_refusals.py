"""What the script cannot do it says in one sentence, and then nothing has changed."""

import asyncio
from base64 import b64encode

import pytest

from tests.host.machine import Machine, Said
from tests.host.site import Site

CODE = "enr_" + "a" * 36
SCRIPT = "/mnt/shared/clone/examples/host/install.sh"
WHEELS = "--from /mnt/shared/wheels"
DEAD = f"{SCRIPT} --url http://127.0.0.1:1 {WHEELS}"
LIKE = "--url takes an address like https://deplite.example.com."
PYTHON = "/usr/lib/python3.*/ensurepip"
AT_HOME = """
    mkdir -p /home/ada/bin /home/ada/lib
    cp /usr/bin/python3.[0-9]* /home/ada/bin/python3
    cp -r /usr/lib/python3.[0-9]* /home/ada/lib
"""


async def refused(machine: Machine, script: str, given: str = CODE, code: int = 1) -> Said:
    """Have a script refuse; nothing is there that was not before."""
    said = await machine.ask(script, given)
    assert said.code == code, said
    touched = "ls -d /opt/* /etc/deplite /var/lib/deplite-agent /etc/systemd/system/deplite* 2>/dev/null || :"
    assert await machine.run(f"{touched}; getent passwd deplite-agent || :") == ""
    return said


def sentence(said: Said) -> str:
    """Return the one sentence, which is all that was said."""
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line.removeprefix("install.sh: ")


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        (f"setpriv --reuid 65534 {DEAD}", "Only root can install a service; run it with sudo."),
        (
            f"unshare --mount sh -c 'mount -t tmpfs tmpfs /run/systemd && {DEAD}'",
            "This machine was not started by systemd, which is to run the agent.",
        ),
        (f"flock /run/deplite-agent-install.lock {DEAD}", "Another install.sh is at work; wait for it to end."),
        (
            f"{DEAD} --python /bin/nothing",
            "There is no Python 3.11 or newer at /bin/nothing; install one, or name it with --python.",
        ),
        (f"{AT_HOME} {DEAD} --python /home/ada/bin/python3", "/home/ada/bin/python3 lies in a home folder, "),
        (
            f"mv {PYTHON} /run; trap 'mv /run/ensurepip /usr/lib/python3.[0-9]*/' EXIT; {DEAD}",
            "/usr/bin/python3 has no venv module; install it (Debian: apt-get install python3-venv).",
        ),
        (f"{SCRIPT} {WHEELS}", "Say with --url where the server is."),
        (f"{SCRIPT} --url example.com {WHEELS}", LIKE),
        (f"{SCRIPT} --url 'https://a.example/?b' {WHEELS}", LIKE),
        (DEAD, "http://127.0.0.1:1 is not the address of Deplite: [Errno 111] Connection refused."),
        (f"{SCRIPT} --url http://127.0.0.1:1 --from /nowhere", "There is no /nowhere; --from takes a checkout, "),
        (f"{SCRIPT} --url http://127.0.0.1:1 --from /tmp", "/tmp has to hold one wheel of deplite "),
        (f"cp -r $(dirname {SCRIPT}) /run/host; /run/host/install.sh", "Say with --from what to install: "),
    ],
)
async def test_what_is_missing_or_wrong_is_said_in_one_sentence(fresh: Machine, script: str, wanted: str) -> None:
    assert sentence(await refused(fresh, script)).startswith(wanted)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", "This machine has not enrolled: give an enrolment code (enr_...) on standard input, or with --code-file."),
        ("tk_abc\n", "What was given is no enrolment code; it is enr_ and 36 letters and digits."),
        (CODE + CODE, "What was given is no enrolment code; it is enr_ and 36 letters and digits."),
    ],
)
async def test_without_a_code_nothing_begins(fresh: Machine, site: Site, given: str, wanted: str) -> None:
    said = await refused(fresh, f"{SCRIPT} --url {site.url} {WHEELS}", given)
    assert sentence(said) == wanted
    assert given.strip() == "" or given.strip() not in said.err


async def test_what_answers_has_to_be_deplite_itself(fresh: Machine) -> None:
    answers = {
        "it leads to https://elsewhere.example": b"HTTP/1.1 301 .\r\nLocation: https://elsewhere.example/livez\r\n\r\n",
        "what answers there is something else": b'HTTP/1.1 200 OK\r\n\r\n{"status": "fine"}',
        "Not Found": b"HTTP/1.1 404 Not Found\r\n\r\n",
    }
    pages = iter(list(answers.values()))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(pages))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for wanted in answers:
            said = await refused(fresh, f"{SCRIPT} --url {url} {WHEELS}")
            assert sentence(said) == f"{url} is not the address of Deplite: {wanted}."


async def test_the_way_there_is_the_one_of_agent_env_whatever_is_in_it(fresh: Machine) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        proxy = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await fresh.run("install -D /dev/stdin /etc/deplite/agent.env", f'http_proxy="http://ada:a b c@{proxy}"\n')
        said = await fresh.ask(f"trap 'rm -r /etc/deplite' EXIT; {SCRIPT} --url http://deplite.example {WHEELS}", CODE)
    assert sentence(said) == "http://deplite.example is not the address of Deplite: Bad Gateway."
    (request,) = asked
    assert request.startswith("GET http://deplite.example/livez ")
    assert f"\nProxy-Authorization: Basic {b64encode(b'ada:a b c').decode()}\r\n" in request


@pytest.mark.parametrize("wrong", ["--frob", "--url", "--wait soon", "--name 'a b'", "again"])
async def test_wrong_usage_shows_the_right_one(fresh: Machine, wrong: str) -> None:
    said = await refused(fresh, f"{SCRIPT} {wrong}", code=2)
    first, second, *_ = said.err.splitlines()
    assert first.startswith("install.sh: ")
    assert second.startswith("Usage: install.sh ")


async def test_help_needs_no_root(fresh: Machine) -> None:
    for script in (SCRIPT, SCRIPT.replace("install", "uninstall")):
        assert (await fresh.run(f"setpriv --reuid 65534 {script} --help")).startswith("Usage: ")


async def test_what_is_no_package_leaves_nothing_behind(fresh: Machine, site: Site) -> None:
    junk = "/run/deplite-1.0-py3-none-any.whl"
    said = await refused(fresh, f"echo junk > {junk}; {SCRIPT} --url {site.url} --from {junk}")
    assert said.err.splitlines()[-1] == "install.sh: pip failed; the agent is as it was."
