"""What the handlers are given."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease
from deplite_operator.metrics import Metrics
from deplite_operator.policies.allowance import Allowance
from deplite_operator.settings import Settings
from deplite_operator.stopping import Stopping
from deplite_operator.world import World


@dataclass(frozen=True, kw_only=True)
class Context:
    """The operator's surroundings."""

    kube: KubeClient
    """Fenced: each write is refused, or given up, once the Lease is not held."""
    world: World
    settings: Settings
    lease: Lease
    stopping: Stopping
    metrics: Metrics
    allowance: Allowance
    """Of Events."""
    now: Callable[[], datetime]
    """The present moment, UTC."""
