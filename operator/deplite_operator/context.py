"""What the handlers are given."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease
from deplite_operator.settings import Settings
from deplite_operator.stopping import Stopping
from deplite_operator.world import World


@dataclass(frozen=True, kw_only=True)
class Context:
    """The operator's surroundings."""

    kube: KubeClient
    world: World
    settings: Settings
    lease: Lease
    """Nothing is written unless it is held."""
    stopping: Stopping
    now: Callable[[], datetime]
    """The present moment, UTC."""
