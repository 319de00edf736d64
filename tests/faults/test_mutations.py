"""A test that would pass without the defence it is for proves nothing: each defence is taken away once."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.faults.mutations import MUTATIONS, Mutation, copy_tree

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
FAILED = 1
"""pytest's exit code where tests failed, and nothing else went wrong."""


@pytest.fixture(scope="module")
def tree(session_folder: Path) -> Path:
    return copy_tree(session_folder / "mutated")


async def _tested(tree: Path, *tests: str) -> tuple[int, str]:
    """Run tests on a copy of the tree, in a process that imports nothing from here; one that hangs fails."""
    parts = [tree, *(tree / part for part in ("operator", "apiserver", "agent"))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, parts)), "PYTHONDONTWRITEBYTECODE": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=90", *tests),
        cwd=tree,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    shown, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, shown.decode()


async def test_with_every_defence_the_named_tests_pass(tree: Path) -> None:
    code, shown = await _tested(tree, *(one.test for one in MUTATIONS))
    assert code == 0, shown


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.defence)
async def test_without_a_defence_its_test_fails(mutation: Mutation, tree: Path) -> None:
    path = tree / mutation.file
    whole = path.read_text()
    mutation.apply(tree)
    try:
        code, shown = await _tested(tree, mutation.test)
    finally:
        path.write_text(whole)
    assert code == FAILED, shown
    assert mutation.test.rpartition("::")[2] in shown
