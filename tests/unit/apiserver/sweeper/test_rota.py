"""Organizations one after another."""

import pytest

from deplite.resources import Trigger
from deplite_apiserver.sweeper.rota import by_turns


def named(*names: str) -> list[Trigger]:
    """Return triggers by `organization/name`."""
    found = [name.split("/") for name in names]
    spec = {"agent": "web", "workflow": "w"}
    return [
        Trigger.model_validate({"metadata": {"namespace": namespace, "name": name}, "spec": spec})
        for namespace, name in found
    ]


@pytest.mark.parametrize(
    ("line", "most", "turns"),
    [
        ([], 5, []),
        (["a/1", "a/2", "a/3"], 5, ["a/1", "a/2", "a/3"]),
        (["a/1", "a/2", "a/3", "b/1"], 5, ["a/1", "b/1", "a/2", "a/3"]),
        (["a/1", "a/2", "a/3", "b/1", "c/1", "c/2"], 5, ["a/1", "b/1", "c/1", "a/2", "c/2", "a/3"]),
        (["a/1", "a/2", "a/3", "b/1"], 2, ["a/1", "b/1", "a/2"]),
        (["b/1", "a/1"], 1, ["b/1", "a/1"]),
    ],
)
def test_table(line: list[str], most: int, turns: list[str]) -> None:
    assert ["/".join(one.key) for one in by_turns(named(*line), most)] == turns
