"""The keys at the first start, while the Kubernetes API is not yet as it will be."""

from collections.abc import Mapping
from typing import Any

import pytest

from deplite.kube.errors import ForbiddenError, KubeError, NotFoundError, UnavailableError
from deplite.kube.secret import Secret
from deplite_apiserver.serverkeys import REFUSALS, REFUSED_SECONDS, load_server_keys


class Kube:
    """An API server with room for one Secret; its first answers are these errors, None for a good one."""

    def __init__(self, *errors: KubeError | None) -> None:
        self.errors = list(errors)
        self.secret: Secret | None = None

    async def get_secret(self, namespace: str, name: str) -> Secret:
        self._answer()
        if self.secret is None:
            raise NotFoundError("not there", status=404)
        return self.secret

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> Secret:
        self._answer()
        self.secret = Secret(namespace=namespace, name=name, uid="u", version="1", labels={}, data=data)
        return self.secret

    def _answer(self) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error


async def loaded(kube: Kube) -> tuple[Any, list[float]]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return await load_server_keys(kube, "deplite-system", sleep), waits  # type: ignore[arg-type]


FORBIDDEN = ForbiddenError("not yet", status=403)


@pytest.mark.parametrize(
    ("errors", "waits"),
    [
        ([FORBIDDEN, FORBIDDEN], [REFUSED_SECONDS] * 2),
        ([None, FORBIDDEN], [REFUSED_SECONDS]),
        ([UnavailableError("away", retry_after=3)], [3]),
        ([None, UnavailableError("away", retry_after=3)], [3]),
    ],
    ids=["may not look yet", "may not make yet", "away when it looks", "away when it makes"],
)
async def test_what_passes_is_waited_for(errors: list[KubeError | None], waits: list[float]) -> None:
    kube = Kube(*errors)
    keys, waited = await loaded(kube)
    assert waited == waits
    assert kube.secret is not None
    assert f"{keys.current_id}.pem" in kube.secret.data


async def test_a_right_that_was_never_granted_ends_the_start() -> None:
    with pytest.raises(ForbiddenError):
        await loaded(Kube(*[FORBIDDEN] * REFUSALS))
