"""The shapes that several kinds share, at their edges."""

from typing import Any

import pydantic
import pytest

from deplite.resources.limits import Cidr, DisplayName, ObjectName, Params, Rate, RateLimit, WorkflowName

TYPES: dict[str, pydantic.TypeAdapter[Any]] = {
    "name": pydantic.TypeAdapter(ObjectName),
    "workflow": pydantic.TypeAdapter(WorkflowName),
    "display": pydantic.TypeAdapter(DisplayName),
    "rate": pydantic.TypeAdapter(Rate),
    "cidr": pydantic.TypeAdapter(Cidr),
    "params": pydantic.TypeAdapter(Params),
}


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("name", "a"),
        ("name", "a" * 253),
        ("name", "a.b-c.0"),
        ("workflow", "deploy-prod"),
        ("workflow", "deploy.yml"),
        ("workflow", "A" * 128),
        ("display", "\N{GRINNING FACE}" * 128),
        ("rate", 1),
        ("rate", 1_000_000),
        ("cidr", "10.0.0.0/8"),
        ("cidr", "2001:db8::/32"),
        ("cidr", "::"),
        ("params", {}),
        ("params", {f"p{number}": number for number in range(100)}),
    ],
)
def test_fits(shape: str, value: Any) -> None:
    assert TYPES[shape].validate_python(value) == value


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("name", ""),
        ("name", "a" * 254),
        ("name", "A"),
        ("name", "-a"),
        ("name", "a-"),
        ("name", "a\n"),
        ("name", "a/b"),
        ("name", "é"),
        ("workflow", "../x"),
        ("workflow", ".hidden"),
        ("workflow", "a b"),
        ("workflow", "A" * 129),
        ("workflow", "x\n"),
        ("display", ""),
        ("display", "x" * 129),
        ("rate", 0),
        ("rate", -1),
        ("rate", 1_000_001),
        ("rate", 1.5),
        ("cidr", "x"),
        ("cidr", "10.0.0.0/8\n"),
        ("cidr", "1" * 44),
        ("params", []),
        ("params", {f"p{number}": number for number in range(101)}),
    ],
)
def test_does_not_fit(shape: str, value: Any) -> None:
    with pytest.raises(pydantic.ValidationError):
        TYPES[shape].validate_python(value)


def test_an_absent_window_is_not_limited() -> None:
    assert RateLimit().wire() == {}
    assert RateLimit.model_validate({"perHour": 5}).wire() == {"perHour": 5}
