"""`deplite-agent`: settings, state folder, enrolment, signals. All it needs comes from the environment."""

import argparse
import asyncio
import logging
import os
import signal
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.log import configure_logging, form_in
from deplite.proxies import spare_loopback
from deplite_agent import VERSION
from deplite_agent.credential import Credential
from deplite_agent.enrollment import enroll
from deplite_agent.errors import (
    AgentError,
    EnrollmentError,
    ReenrolledError,
    ReplacedError,
    RevokedError,
    SettingsError,
)
from deplite_agent.identity import Enrolled, Identity, StateFolder
from deplite_agent.process import Process
from deplite_agent.settings import Settings, load_settings
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)

EXIT_FAILED = 1
EXIT_FOR_GOOD = 3
"""Not to be started again by a supervisor: it was revoked, or another pod has taken its place."""
EXIT_MISCONFIGURED = 78
"""EX_CONFIG of sysexits(3): a setting or what it enrols with is wrong, and a person has to change that first."""

_HELP = """\
Run the workflow files of this machine when the server asks for it. Settings come from the environment: DEPLITE_URL;
DEPLITE_TOKEN, the enrolment code (first start only), or DEPLITE_TOKEN_FILE, a file that holds it or the token of a pod;
DEPLITE_STATE_DIR; DEPLITE_WORKFLOWS_DIR; DEPLITE_SECRETS_DIR; DEPLITE_NAME; DEPLITE_CONCURRENCY; DEPLITE_DRAIN_SECONDS;
DEPLITE_GRACE_SECONDS; DEPLITE_DELIVERY_SECONDS; DEPLITE_SCAN_SECONDS; DEPLITE_HEARTBEAT_SECONDS;
DEPLITE_SILENCE_SECONDS; DEPLITE_LOG_FORMAT (text or json). Exit codes: 0 told to stop; 1 it cannot go on, and may be
started again; 3 it was revoked, or another pod has taken its place: to start it again is in vain; 78 a setting, or
what it enrols with, is wrong: to be started again once that is changed."""


def main() -> int:
    """Run the agent; return the exit code."""
    parser = argparse.ArgumentParser(prog="deplite-agent", description=_HELP)
    parser.add_argument("--version", action="version", version=f"deplite-agent {VERSION}")
    parser.parse_args()
    spare_loopback()
    configure_logging(form_in(os.environ, "text"))
    try:
        settings = load_settings()
        configure_logging(settings.log_format)
        asyncio.run(_run(settings))
    except AgentError as error:
        log.critical("%s", error, extra={"action": "ended"})
        return _exit_code(error)
    return 0


def _exit_code(error: AgentError) -> int:
    match error:
        case RevokedError() | ReplacedError():
            return EXIT_FOR_GOOD
        case SettingsError() | EnrollmentError():
            return EXIT_MISCONFIGURED
        case _:
            return EXIT_FAILED


async def _run(settings: Settings) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    state = StateFolder(settings.state)
    state.open()
    work = asyncio.create_task(_identified(settings, state))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not work.done():
        work.cancel()  # told to stop while it waited for the server: nothing is lost, the key is kept
        return
    identity, greeting = work.result()
    while not stop.is_set():
        try:
            await Process(settings, state, identity, greeting).run(stop, hurry)
        except ReenrolledError as again:
            identity, greeting = _new(identity.key, again.enrolled)


async def _identified(settings: Settings, state: StateFolder) -> tuple[Identity, str]:
    """Return who this agent is, enrolling the first time, and what to say about it.

    Raises:
        AgentError: it cannot be.
    """
    key = state.key()
    enrolled = state.enrolled()
    if enrolled is not None:
        return Identity(key=key, enrolled=enrolled), f"Connected as agent {enrolled.agent_id}"
    credential = Credential(code=settings.token, file=settings.token_file)
    transport = Transport(settings.url, None, "")
    try:
        enrolled = await enroll(transport, credential, settings.name, state)
    finally:
        await transport.close()
    return _new(key, enrolled)


def _new(key: Ed25519PrivateKey, enrolled: Enrolled) -> tuple[Identity, str]:
    """Return who this agent is from now on, and what to say about it."""
    log.info("enrolled in %s", enrolled.organization_id, extra={"action": "enrolled"})
    return Identity(key=key, enrolled=enrolled), f"Enrolled as agent {enrolled.agent_id}"


if __name__ == "__main__":
    sys.exit(main())
