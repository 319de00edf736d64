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


@pytest.mark.parametrize(
    "group", ["trigger/deploy", "trigger/", "/", "a/b", "", " ", "a b", "a\n", "a\nERROR forged", "\x1b[2J", "-a", "é"]
)
def test_a_name_is_readable_and_never_the_group_of_a_trigger_alone(group: str) -> None:
    with pytest.raises(ValueError, match="group"):
        Concurrency.model_validate({"policy": "queue", "group": group})


@pytest.mark.parametrize("group", ["prod", "Prod-EU_1.2", "7", "g" * 64])
def test_readable_names_are_taken(group: str) -> None:
    assert Concurrency.model_validate({"policy": "queue", "group": group}).group_of("deploy") == group
