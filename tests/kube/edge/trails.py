"""What a replica has recorded of an organization, read from the object store as an auditor would."""

import json
from typing import Any

from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.serving import Replica


async def recorded(replica: Replica, settings: Settings, organization: str) -> list[dict[str, Any]]:
    """Return the records of this replica, in the order of their numbers."""
    await replica.context.trail.flush()
    store = S3Store(settings.s3)
    found: list[dict[str, Any]] = []
    for one in await store.list(f"audit/{organization}/"):
        data = await store.get(one.key)
        assert data is not None
        found += [json.loads(line) for line in data.splitlines()]
    await store.close()
    return sorted(found, key=lambda record: int(record["number"]))


async def recorded_of(object_id: str, replica: Replica, settings: Settings, organization: str) -> list[dict[str, Any]]:
    """Return those of them that are about one object."""
    return [one for one in await recorded(replica, settings, organization) if one["object"]["id"] == object_id]
