"""Named places where a fault test makes a part die or stop. Nothing happens unless DEPLITE_FAILPOINTS names a folder.

A file of that folder arms the place of its name, once: its text is `kill` or `stop`, or e.g. `kill 3` for the third
time that the process comes by. When it goes off, the file is renamed to `<name>.hit`, so that a test can tell.

There also a test sets a part's clock wrong: the file `agent.clock` or `apiserver.clock` holds the seconds by which it
is ahead (behind, if negative), and may change while the part runs.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

_FOLDER = os.environ.get("DEPLITE_FAILPOINTS") or None
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Come by a place, e.g. `apiserver.job.created`."""
    if _FOLDER is None:
        return
    armed = Path(_FOLDER, name)
    try:
        action, _, turn = armed.read_text().partition(" ")
    except OSError:
        _passed[name] = 0
        return
    _passed[name] += 1
    if _passed[name] < int(turn or 1):
        return
    try:
        armed.rename(armed.with_name(f"{name}.hit"))
    except OSError:
        return  # another process was first
    os.kill(os.getpid(), _SIGNALS[action.strip()])


def skewed(clock: Callable[[], float], part: str) -> Callable[[], float]:
    """Return a clock of unix seconds, which a test can set wrong by the file `<part>.clock`."""
    if _FOLDER is None:
        return clock
    wrong = Path(_FOLDER, f"{part}.clock")

    def now() -> float:
        try:
            return clock() + float(wrong.read_text())
        except (OSError, ValueError):
            return clock()

    return now
