"""The body of a Kubernetes Event: what `kubectl describe` shows under an object."""

import secrets
from datetime import datetime
from typing import Any

from deplite.resources.resource import API_VERSION, Resource, utc

MAX_MESSAGE = 1024


def warning_body(about: Resource, *, reason: str, message: str, component: str, at: datetime) -> dict[str, Any]:
    """Return an Event of type Warning.

    Args:
        about: the object.
        reason: one CamelCase word.
        message: one sentence for people.
        component: the part that says so.
        at: when it happened.
    """
    involved = {
        "apiVersion": API_VERSION,
        "kind": about.KIND,
        "namespace": about.namespace,
        "name": about.name,
        "uid": about.metadata.uid,
    }
    return {
        "metadata": {"name": f"{about.name[:220]}.{secrets.token_hex(8)}", "namespace": about.namespace},
        "involvedObject": involved,
        "type": "Warning",
        "reason": reason,
        "message": message[:MAX_MESSAGE],
        "source": {"component": component},
        "reportingComponent": component,
        "firstTimestamp": utc(at),
        "lastTimestamp": utc(at),
        "count": 1,
    }
