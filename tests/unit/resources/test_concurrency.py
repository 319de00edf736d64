"""Which group the runs of a trigger belong to."""

import pytest

from deplite.resources.trigger import Concurrency


@pytest.mark.parametrize(
    ("concurrency", "group"),
    [
        ({}, None),
        ({"policy": "allow", "group": "prod"}, None),
        ({"policy": "queue"}, "trigger/deploy"),
        ({"policy": "replace"}, "trigger/deploy"),
        ({"policy": "queue", "group": "prod"}, "prod"),
    ],
)
def test_table(concurrency: dict[str, str], group: str | None) -> None:
    assert Concurrency.model_validate(concurrency).group_of("deploy") == group
