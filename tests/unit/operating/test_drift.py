"""Drift: what others changed of what was written; neither defaults nor what others added."""

from typing import Any

import pytest

from deplite_operator.policies.drift import holds


@pytest.mark.parametrize(
    ("wanted", "live", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {}, False),
        ({"a": {"b": 1}}, {"a": "b"}, False),
        ({"a": False}, {"a": None}, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [1, 2, 3], False),
        ([1], "1", False),
        ([{"name": "a", "value": "1"}], [{"name": "b"}, {"name": "a", "value": "1", "more": 1}], True),
        ([{"name": "a", "value": "1"}], [{"name": "a", "value": "2"}], False),
        ([{"name": "a"}], [{"name": "b"}], False),
        ([{"name": "v", "mountPath": "/a"}], [{"name": "w", "mountPath": "/a"}], False),
        ([{"key": "a", "effect": "NoExecute"}], [{"key": "a", "effect": "NoExecute", "operator": "Equal"}], True),
        ([{"key": "a"}], [{"key": "a"}, {"key": "b"}], False),
        ({"resources": {"limits": {"cpu": "0.5"}}}, {"resources": {"limits": {"cpu": "500m"}}}, True),
        ({"resources": {"limits": {"cpu": 2}}}, {"resources": {"limits": {"cpu": "2"}}}, True),
        ({"resources": {"limits": {"memory": "1024Mi"}}}, {"resources": {"limits": {"memory": "1Gi"}}}, True),
        ({"resources": {"limits": {"memory": "1.5Gi"}}}, {"resources": {"limits": {"memory": "1536Mi"}}}, True),
        ({"resources": {"limits": {"cpu": "500m"}}}, {"resources": {"limits": {"cpu": "501m"}}}, False),
        ({"resources": {"limits": {"memory": "1G"}}}, {"resources": {"limits": {"memory": "1Gi"}}}, False),
        ({"resources": {"limits": {"cpu": "1000000n"}}}, {"resources": {"limits": {"cpu": "1m"}}}, True),
        ({"resources": {"limits": {"cpu": "100n"}}}, {"resources": {"limits": {"cpu": "1m"}}}, True),
        ({"resources": {"limits": {"cpu": "1500u"}}}, {"resources": {"limits": {"cpu": "2m"}}}, True),
        ({"resources": {"limits": {"cpu": "0.0001"}}}, {"resources": {"limits": {"cpu": "1m"}}}, True),
        ({"resources": {"limits": {"cpu": "1.1Ki"}}}, {"resources": {"limits": {"cpu": "1126400m"}}}, True),
        ({"resources": {"limits": {"cpu": "0.3Gi"}}}, {"resources": {"limits": {"cpu": "322122547200m"}}}, True),
        ({"resources": {"limits": {"cpu": "999E"}}}, {"resources": {"limits": {"cpu": "9223372036854775807"}}}, True),
        (
            {"resources": {"limits": {"cpu": "123456789012.123456789Mi"}}},
            {"resources": {"limits": {"cpu": "129453825982465015"}}},
            False,
        ),
        ({"resources": {"limits": {"cpu": "1001u"}}}, {"resources": {"limits": {"cpu": "1m"}}}, False),
        ({"value": "1000m"}, {"value": "1"}, False),
    ],
    ids=str,
)
def test_table(wanted: Any, live: Any, expected: bool) -> None:
    assert holds(wanted, live) is expected
