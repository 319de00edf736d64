"""Has the audit logs written while pytest runs, folds them, and fails the session for what no role grants."""

import os
import secrets
import shutil
from pathlib import Path

import pytest

from tests.auditing.ledger import Ledger

FOLDER = Path(__file__).resolve().parents[2] / "build" / "rights"
ASSETS = "KUBEBUILDER_ASSETS"
_KEY: pytest.StashKey["Auditor"] = pytest.StashKey()


class Auditor:
    """The audit of one session."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger()
        self._folder = folder
        self._given = os.environ.get(ASSETS)

    def start(self) -> None:
        """Put the programs in the way of everybody who looks for a control plane."""
        from deplite.local.controlplane.find import NAMES, search
        from tests.auditing.server import lay_out

        programs = search(os.environ)
        if set(programs) == set(NAMES):  # else they are about to be built, and this session leaves no ledger
            lay_out(self._folder, programs)
            os.environ[ASSETS] = str(self._folder)

    def logs(self) -> list[Path]:
        """Return the log files that there are."""
        from tests.auditing.server import logs

        return logs(self._folder)

    def fold(self) -> None:
        """Take in all that has been logged and not been taken in for good; again is harmless."""
        for log in self.logs():
            self.ledger.fold(log)

    def between_tests(self) -> None:
        """Fold and remove what is full: the disk never holds much more than one file a control plane."""
        from tests.auditing.server import full_logs

        for log in full_logs(self._folder):
            self.ledger.fold(log)
            log.unlink()

    def finish(self) -> None:
        """Leave the ledger, and nothing else."""
        self.fold()
        if self.ledger.done:
            self.ledger.save(self._folder.with_suffix(".json"))
        shutil.rmtree(self._folder, ignore_errors=True)
        os.environ.pop(ASSETS, None)
        if self._given is not None:
            os.environ[ASSETS] = self._given


def auditor_of(config: pytest.Config) -> Auditor:
    """Return the auditor of this session."""
    return config.stash[_KEY]


def pytest_configure(config: pytest.Config) -> None:
    auditor = Auditor(FOLDER / f"{os.getpid()}-{secrets.token_hex(4)}")
    auditor.start()
    config.stash[_KEY] = auditor


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    auditor_of(item.config).ledger.begins(item.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    auditor_of(item.config).between_tests()


@pytest.hookimpl(trylast=True)  # after the session's fixtures, and so its control planes, have ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    auditor = auditor_of(session.config)
    auditor.finish()
    if auditor.ledger.ungranted() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for deed, test in sorted(auditor_of(config).ledger.ungranted().items()):
        terminalreporter.write_line(f"No role grants what a part tried: {deed}, first in {test}", red=True)
