"""Whether what stands in the cluster is still as it was written: defaults and what others add do not count."""

import math
import re
from fractions import Fraction
from typing import Any

_QUANTITY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
_SUFFIXES = {"": Fraction(1), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000)}
_SUFFIXES |= {letter: Fraction(1000) ** power for power, letter in enumerate("kMGTPE", 1)}
_SUFFIXES |= {f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_MOST = Fraction(2**63 - 1)
_KEYS = ("mountPath", "name", "uid")
"""By which the entries of a list are known to Kubernetes: the first of these that they have."""


def holds(wanted: Any, live: Any, *, quantities: bool = False) -> bool:
    """Tell whether all that is wanted is there.

    Args:
        wanted: a part of an object as we write it.
        live: the same part as the API server has it.
        quantities: whether texts are amounts, which the API server spells its own way (`0.5` is `500m`).
    """
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            key in live and holds(value, live[key], quantities=quantities or key == "resources")
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and _list_holds(wanted, live, quantities)
    return bool(quantity(wanted) == quantity(live) if quantities else wanted == live)


def quantity(value: Any) -> Any:
    """Return how many thousandths the API server keeps of an amount; what is none as it is."""
    found = _QUANTITY.match(str(value))
    return math.ceil(min(Fraction(found[1]) * _SUFFIXES[found[2] or ""], _MOST) * 1000) if found else value


def _list_holds(wanted: list[Any], live: list[Any], quantities: bool) -> bool:
    key = next((key for key in _KEYS if all(isinstance(one, dict) and key in one for one in wanted)), None)
    if key is None:
        return len(wanted) == len(live) and all(
            holds(one, other, quantities=quantities) for one, other in zip(wanted, live, strict=True)
        )
    others = {one.get(key): one for one in live if isinstance(one, dict)}
    return all(one[key] in others and holds(one, others[one[key]], quantities=quantities) for one in wanted)
