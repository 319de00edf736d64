"""A plugin of pytest that says at once what failed and why; pytest itself says it at the end, half an hour later."""

from typing import Any

import pytest

WIDTH = 400
"""Characters of the reason."""


class Failures:
    """Watches reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print a line for one that failed."""
        shown: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and shown is not None:
            shown.ensure_newline()
            shown.write_line(f"{report.when} of {report.nodeid} failed: {_why(report)}")


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(Failures(config))


def _why(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return " ".join(str(report.longrepr).split())[-WIDTH:]
    return f"{crash.path}:{crash.lineno}: {' '.join(crash.message.split())[:WIDTH]}"
