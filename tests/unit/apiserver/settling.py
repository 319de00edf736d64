"""Runs coroutines that wait for nothing: state machines are quick without an event loop."""

from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def settled(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Return what a coroutine returns that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    coroutine.close()
    raise AssertionError("it waits for something")
