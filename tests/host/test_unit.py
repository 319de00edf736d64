"""The unit itself: how far it is locked up, and that its numbers fit the agent's."""

import configparser
import re

from deplite_agent.main import EXIT_FOR_GOOD, EXIT_MISCONFIGURED
from deplite_agent.settings import load_settings
from tests.gitops.shop import ROOT
from tests.host.host import UNIT, Host
from tests.host.packages import README

SPARE = 10
"""Seconds that docs/agent.md adds to the sum."""


def service() -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings of the service, and the environment that it gives."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    text = (ROOT / "examples" / "host" / UNIT).read_text()
    parser.read_string(text)
    environment = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))
    return dict(parser["Service"]), environment


def test_it_stops_after_the_agent_has_done_all_that_it_wants_to() -> None:
    settings, environment = service()
    agent = load_settings(environment | {"DEPLITE_URL": "https://deplite.example.com"})
    least = agent.drain_seconds + agent.grace_seconds + agent.delivery_seconds + SPARE
    assert int(settings["TimeoutStopSec"]) >= least


def test_it_is_not_started_again_where_that_is_in_vain() -> None:
    settings, _ = service()
    assert settings["Restart"] == "on-failure"
    assert settings["RestartPreventExitStatus"].split() == [str(EXIT_FOR_GOOD), str(EXIT_MISCONFIGURED)]


async def test_systemd_finds_nothing_wrong_and_little_exposed(host: Host) -> None:
    assert await host.machine.run(f"systemd-analyze verify {UNIT} 2>&1") == ""
    told = await host.machine.run(f"systemd-analyze security --no-pager --threshold=16 {UNIT}")
    (level,) = re.findall(r"Overall exposure level for \S+: (\S+) OK", told)
    assert f"`systemd-analyze security`: {level} " in README


async def test_it_starts_after_the_network_and_with_the_machine(host: Host) -> None:
    assert "network-online.target" in (await host.show("After")).split()
    assert (await host.show("WantedBy")) == "multi-user.target"


async def test_an_older_systemd_meets_no_setting_that_it_does_not_know(host: Host) -> None:
    ours = (ROOT / "examples" / "host" / UNIT).read_text().splitlines()
    theirs = (await host.machine.run(f"cat /etc/systemd/system/{UNIT}")).splitlines()
    version = int((await host.machine.run("systemctl --version")).split()[1])
    left_out = [line for line in ours if line not in theirs]
    assert left_out == ([] if version >= 254 else ["RestartSteps=6", "RestartMaxDelaySec=120"])
