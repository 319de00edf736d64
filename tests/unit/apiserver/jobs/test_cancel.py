"""The wish to stop a job: stored once, and never in a job that has ended."""

from collections.abc import Mapping
from typing import Any

import pytest

from deplite.kube.errors import ConflictError as StaleError
from deplite.kube.errors import NotFoundError as KubeNotFoundError
from deplite.kube.swap import TRIES
from deplite.resources import DeployJob
from deplite.resources.deployjob import Cancel
from deplite_apiserver.errors import ConflictError, NotFoundError
from deplite_apiserver.jobs.cancel import Cancels
from tests.unit.apiserver.jobs.builders import NAMESPACE, UID, job

WISH = Cancel(by="olga")


class Store:
    """One job; the first writes are stale, because somebody else was faster."""

    def __init__(self, found: DeployJob | None, *, faster: list[DeployJob] | None = None) -> None:
        self.job, self.faster = found, list(faster or [])
        self.writes = 0

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        if self.job is None:
            raise KubeNotFoundError("gone")
        return self.job

    async def patch(
        self, kind: type[DeployJob], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> DeployJob:
        assert version is not None
        assert self.job is not None
        if self.faster:
            self.job = self.faster.pop(0)
            raise StaleError("stale")
        self.writes += 1
        wire = self.job.wire()
        self.job = DeployJob.model_validate(wire | {"spec": wire["spec"] | body["spec"]})
        return self.job


async def asked(store: Store, uid: str = UID) -> DeployJob:
    return await Cancels(store, lambda _: None).ask(NAMESPACE, "j", uid, WISH)


async def test_it_is_stored_and_told() -> None:
    store, noted = Store(job()), []
    answer = await Cancels(store, noted.append).ask(NAMESPACE, "j", UID, WISH)
    assert answer.spec.cancel == WISH
    assert noted == [answer]


async def test_a_second_wish_changes_nothing() -> None:
    store = Store(job(spec={"cancel": {"by": "otto", "reason": "superseded"}}))
    cancel = (await asked(store)).spec.cancel
    assert cancel is not None
    assert (cancel.by, store.writes) == ("otto", 0)


async def test_whoever_is_faster_is_looked_at_again() -> None:
    store = Store(job(), faster=[job(phase="Running")])
    assert (await asked(store)).spec.cancel == WISH
    with pytest.raises(ConflictError) as caught:
        await asked(Store(job(), faster=[job(phase="Succeeded")]))
    assert caught.value.code == "job_finished"


async def test_after_five_tries_the_caller_tries_again() -> None:
    with pytest.raises(StaleError):
        await asked(Store(job(), faster=[job()] * TRIES))


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_what_has_ended_cannot_be_cancelled(phase: str) -> None:
    with pytest.raises(ConflictError) as caught:
        await asked(Store(job(phase=phase)))
    assert caught.value.code == "job_finished"


async def test_what_is_gone_or_was_replaced_is_not_found() -> None:
    for store in (Store(None), Store(job())):
        with pytest.raises(NotFoundError):
            await asked(store, uid="ffffffff")
