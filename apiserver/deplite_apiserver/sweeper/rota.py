"""Whose turn it is: organizations one after another, so that one with thousands of objects holds up no other. Pure."""

from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import TypeVar

from deplite.resources.resource import Resource

Kind = TypeVar("Kind", bound=Resource)


def by_turns(objects: Iterable[Kind], most: int) -> list[Kind]:
    """Return the first objects of each organization: all first ones, then all second ones, and so on.

    Args:
        objects: in the order that counts within an organization, and among the first ones of all.
        most: how many of one organization, at most.
    """
    lines: dict[str, list[Kind]] = {}
    for one in objects:
        line = lines.setdefault(one.namespace, [])
        if len(line) < most:
            line.append(one)
    return [one for one in chain.from_iterable(zip_longest(*lines.values())) if one is not None]
