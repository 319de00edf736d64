"""When a use of a token is written."""

from datetime import UTC, datetime, timedelta

import pytest

from deplite_apiserver.tokens.usage import due

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "written"), [(None, True), (0, False), (59, False), (60, True), (-5, False)])
def test_at_most_once_a_minute(seconds: int | None, written: bool) -> None:
    assert due(NOW, None if seconds is None else NOW - timedelta(seconds=seconds)) is written
