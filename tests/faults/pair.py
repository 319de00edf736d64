"""One `deplite up --replicas 2`: one address for both apiservers, and a door of each one's own."""

import json
from dataclasses import dataclass

from tests.faults.site import Site

REPLICAS = ("apiserver-1", "apiserver-2")


@dataclass(frozen=True, kw_only=True)
class Pair(Site):
    """A running installation with two apiservers."""

    @property
    def doors(self) -> list[str]:
        """Where each of them answers by itself."""
        state = json.loads((self.data / "state.json").read_text())
        address = {one["name"]: one.get("address") for one in state["parts"]}
        return [address[name] for name in REPLICAS]

    def log(self, part: str) -> str:
        """Return what a part has logged."""
        return (self.data / "logs" / f"{part}.log").read_text()
