"""/livez and /readyz need nobody's credential, under each prefix."""

import httpx
import pytest


@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_replica_that_has_its_caches_is_ready(http: httpx.AsyncClient, prefix: str, path: str) -> None:
    answer = await http.get(prefix + path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_bad_credential_does_not_make_it_unwell(http: httpx.AsyncClient) -> None:
    answer = await http.get("/readyz", headers={"Authorization": "Bearer tk_wrong"})
    assert answer.status_code == 200
