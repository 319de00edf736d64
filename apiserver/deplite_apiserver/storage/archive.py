"""Finished jobs past their time in the cluster: `jobs/<organization>/<id>-<uid8>.json`, each the whole object."""

import json
import re

from deplite.resources.deployjob import DeployJob
from deplite_apiserver.storage.objects import ObjectStore, StorageUnavailableError


class Archive:
    """Keeps and gives archived jobs. Every method raises `StorageUnavailableError`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, job: DeployJob) -> None:
        """Keep a job; a repeat writes the same object."""
        body = json.dumps(job.wire(), ensure_ascii=False, separators=(",", ":")).encode()
        await self._store.put(f"{_prefix(job.namespace)}{job.storage_key}.json", body, "application/json")

    async def get(self, organization: str, job_id: str) -> DeployJob | None:
        """Return the newest job of that id, if one is kept."""
        shape = re.compile(re.escape(f"{_prefix(organization)}{job_id}-") + r"[0-9a-f]{8}\.json")
        found = [one for one in await self._store.list(f"{_prefix(organization)}{job_id}-") if shape.fullmatch(one.key)]
        if not found:
            return None
        data = await self._store.get(max(found, key=lambda one: one.modified_at).key)
        try:
            return None if data is None else DeployJob.model_validate_json(data)
        except ValueError as error:
            # An answer of somebody else's, or a damaged object: there is more to it than no job.
            raise StorageUnavailableError from error


def _prefix(organization: str) -> str:
    return f"jobs/{organization}/"
