"""A Kubernetes Event: what `kubectl get events` and `kubectl describe` show about an object."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deplite.resources.resource import API_VERSION, Resource, utc

MAX_MESSAGE = 1024


@dataclass(frozen=True, kw_only=True)
class Event:
    """What is to be told."""

    reason: str
    """One CamelCase word."""
    message: str
    """One sentence for people."""
    component: str
    """The part that says so."""
    at: datetime
    """When it happened."""
    warning: bool = False
    key: str | None = None
    """What happened, where it must be told once only: its name is made of this. None: each one is another."""

    def body(self, about: Resource) -> dict[str, Any]:
        """Return the object that says this about another one."""
        mark = secrets.token_hex(8) if self.key is None else hashlib.sha256(self.key.encode()).hexdigest()[:16]
        involved = {
            "apiVersion": API_VERSION,
            "kind": about.KIND,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.metadata.uid,
        }
        return {
            "metadata": {"name": f"{about.name[:220].rstrip('.-')}.{mark}", "namespace": about.namespace},
            "involvedObject": involved,
            "type": "Warning" if self.warning else "Normal",
            "reason": self.reason,
            "message": self.message[:MAX_MESSAGE],
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "firstTimestamp": utc(self.at),
            "lastTimestamp": utc(self.at),
            "count": 1,
        }
