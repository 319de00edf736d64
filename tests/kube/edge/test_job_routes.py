"""Cancel and rerun by people, and jobs of other organizations."""

import httpx

from deplite.resources import DeployJob
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.edge.people import ISSUER


async def job_of(http: httpx.AsyncClient, there: Organized) -> str:
    answer = await http.post(f"/triggers/{there.trigger_id}/run", headers={"Authorization": f"Bearer {there.token}"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


async def test_a_member_cancels_and_runs_again(
    http: httpx.AsyncClient, home: Organized, member: dict[str, str]
) -> None:
    job_id = await job_of(http, home)
    again = await http.post(f"/jobs/{job_id}/rerun", headers=member)
    assert again.status_code == 202, again.text
    made = await home.kube.get(DeployJob, home.namespace, again.json()["jobId"])
    assert (made.spec.requested_by.kind, made.spec.requested_by.id) == ("user", f"{ISSUER}#mika")
    for one in (job_id, again.json()["jobId"]):
        assert (await http.post(f"/jobs/{one}/cancel", headers=member)).status_code == 202
        cancel = (await home.kube.get(DeployJob, home.namespace, one)).spec.cancel
        assert cancel is not None
        assert (cancel.by, cancel.reason) == (f"{ISSUER}#mika", "cancelled")


async def test_a_job_of_another_organization_is_as_absent_as_none(
    http: httpx.AsyncClient, home: Organized, abroad: Organized, member: dict[str, str]
) -> None:
    theirs = await job_of(http, abroad)
    for headers in (member, {"Authorization": f"Bearer {home.token}"}):
        for verb in ("cancel", "rerun"):
            found = await http.post(f"/jobs/{theirs}/{verb}", headers=headers)
            absent = await http.post(f"/jobs/j-{'a' * 26}/{verb}", headers=headers)
            assert refused(found, 404, "not_found") == refused(absent, 404, "not_found")
    assert (await home.kube.get(DeployJob, abroad.namespace, theirs)).spec.cancel is None
