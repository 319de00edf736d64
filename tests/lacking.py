"""What a machine lacks for some of the tests: a person may go without these, and CI may not."""

import os

import pytest


def skip_for(lacking: str | None) -> None:
    """Skip where something is lacking; in CI that is an error.

    Args:
        lacking: what, in one line; None: nothing is.
    """
    if lacking and os.environ.get("DEPLITE_REQUIRE_ALL"):
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)
