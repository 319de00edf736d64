"""The nine steps of the API documentation, with curl, letter by letter: the project's acceptance test."""

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import Deployment
from tests.e2e.walkthrough.walking import Place, opened_shell, walk

RUNS = int(os.environ.get("DEPLITE_WALKTHROUGHS", "20"))


@pytest.mark.parametrize("run", range(RUNS))
def test_the_nine_steps(run: int, tmp_path: Path, deployment: Deployment, new_organization: str) -> None:
    place = Place(app=deployment.url, api=deployment.url, organization=new_organization, jwt=deployment.jwt)
    with opened_shell(tmp_path, deployment.url) as shell:
        walk(shell, tmp_path, place)
