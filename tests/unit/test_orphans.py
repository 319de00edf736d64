"""A process that outlives the one that started it does not get lost."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux gives orphans to another than the first process"
)

SCENE = """
import os, signal, time
from tests.orphans import Orphans
from tests.processes import command_of

until = time.monotonic() + 60
with Orphans() as orphans:
    child = orphans.start("sh", "-c", "sleep 3600 & echo $!")
    orphan = int(child.stdout.readline())
    assert child.wait() == 0  # reaped by us alone
    while not command_of(orphan).startswith("sleep") and time.monotonic() < until:  # the shell's, until it has begun
        time.sleep(0.01)
    print([line.partition(" ")[2].strip() for line in orphans.living()])
    os.kill(orphan, signal.SIGKILL)
    while os.path.exists(f"/proc/{orphan}") and time.monotonic() < until:
        time.sleep(0.01)
    print(orphans.living())
"""


def test_an_orphan_is_known_while_it_lives_and_reaped_when_it_has_ended() -> None:
    scene = subprocess.run([sys.executable, "-c", SCENE], capture_output=True, text=True, check=True, timeout=120)
    assert scene.stdout.splitlines() == ["['sleep 3600']", "[]"]
