"""What both parts show of themselves after a deploy with odd names: all of it documented, and none of the names."""

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from deplite.local.probe import ask_port
from deplite.protocol.phases import Phase
from deplite.resources import DeployJob
from deplite_apiserver.app import ROUTERS
from tests.chart.measured import AT, Deploy
from tests.chart.running import PROCESSES, REPLICAS
from tests.kube.serving import until
from tests.meta.test_metrics_page import rows

ROUTES = {route.path for router in ROUTERS for route in router.routes} | {"none"}  # type: ignore[attr-defined]
WORD = re.compile(r"[A-Za-z][A-Za-z_./-]*|[0-9.]+|[0-9]{3}|[1-5]xx|\+Inf|response_url|")
"""What a label's value may be, but for routes: a word of ours, a number of a bucket, a status."""


async def value(deploy: Deploy, part: str, name: str, **labels: str) -> float:
    """Return how far a sample has moved since before the deploy."""
    key = (name, tuple(sorted(labels.items())))
    return (await deploy.release.samples(AT[part])).get(key, 0.0) - deploy.before[AT[part]].get(key, 0.0)


@pytest.mark.parametrize("part", AT)
async def test_every_family_is_documented_with_its_type_and_labels(deploy: Deploy, part: str) -> None:
    found = {
        (family.name if family.type != "counter" else f"{family.name}_total", family.type)
        for family in parsed(await deploy.release.scrape(AT[part]))
        if family.name.startswith("deplite_")
    }
    assert found == {(row.name, row.type) for row in rows() if part in row.parts}
    labels = {row.name: set(row.labels) for row in rows()}
    for family in parsed(await deploy.release.scrape(AT[part])):
        if family.name.startswith("deplite_"):
            name = family.name if family.type != "counter" else f"{family.name}_total"
            assert {label for sample in family.samples for label in sample.labels} - {"le"} <= labels[name], name


@pytest.mark.parametrize("part", AT)
async def test_the_newer_format_is_served_to_who_asks_for_it(deploy: Deploy, part: str) -> None:
    text = await deploy.release.scrape(AT[part], "application/openmetrics-text; version=1.0.0")
    assert "deplite_build" in {family.name.removesuffix("_info") for family in openmetrics(text)}


@pytest.mark.parametrize("part", AT)
async def test_no_id_name_ref_or_organization_is_in_it(deploy: Deploy, part: str) -> None:
    text = re.sub(r" \S+$", "", await deploy.release.scrape(AT[part]), flags=re.MULTILINE)  # a value may be any number
    assert [word for word in deploy.words if word.lower() in text.lower()] == []


@pytest.mark.parametrize("part", AT)
async def test_labels_are_words_of_ours(deploy: Deploy, part: str) -> None:
    for (name, labels), _ in (await deploy.release.samples(AT[part])).items():
        for label, text in labels:
            if label == "route":
                assert text in ROUTES, name
            elif name.startswith("deplite_") and label != "version":
                assert WORD.fullmatch(text), (name, label, text)


async def test_the_apiserver_counts_what_happened(deploy: Deploy) -> None:
    async def moved(name: str, **labels: str) -> float:
        return await value(deploy, "apiserver", name, **labels)

    assert await moved("deplite_runs_accepted_total", source="webhook") == 1
    assert await moved("deplite_runs_repeated_total", source="webhook") >= 1
    assert await moved("deplite_runs_refused_total", source="webhook", code="ref_not_allowed") == 1
    assert await moved("deplite_http_refusals_total", code="ref_not_allowed") == 1
    assert await moved("deplite_http_refusals_total", code="invalid_token") >= 1
    assert await moved("deplite_http_requests_total", route="none", method="none", status="4xx") == 1
    run = "/triggers/{trigger_id}/run"
    assert await moved("deplite_http_requests_total", route=run, method="POST", status="2xx") >= 2
    assert await moved("deplite_http_request_duration_seconds_count", route=run, method="POST") >= 3
    assert await moved("deplite_jobs_ended_total", phase="Succeeded", reason="none") == 1
    assert await moved("deplite_job_dispatch_seconds_count") == 1
    assert await moved("deplite_job_duration_seconds_count", phase="Succeeded") == 1
    assert await moved("deplite_agent_streams_opened_total") >= 1
    assert await moved("deplite_agent_streams") == 1
    assert await moved("deplite_agent_events_sent_total", event="deploy") == 1
    assert await moved("deplite_kube_requests_total", verb="create", resource="deployjobs", code="201") == 1
    assert await moved("deplite_kube_request_duration_seconds_count", verb="create", resource="deployjobs") >= 1
    assert await moved("deplite_object_store_request_duration_seconds_count", operation="put", outcome="done") >= 1
    assert await moved("deplite_redis_calls_total") >= 1
    present = await deploy.release.samples(AT["apiserver"])
    assert present["deplite_redis_up", ()] == 1
    assert present["deplite_cache_synced", (("resource", "deployjobs"),)] == 1

    async def queued_agree() -> bool:  # other tests may have left jobs in the cluster
        jobs = await deploy.release.kube.list(DeployJob)
        found = await deploy.release.samples(AT["apiserver"])
        counted = found["deplite_jobs_unfinished", (("phase", "Queued"),)]
        return counted == sum(job.status.phase is Phase.QUEUED for job in jobs)

    await until(queued_agree, True)

    async def sweeps() -> bool:
        rounds = ("deplite_sweep_duration_seconds_count", (("duty", "deadlines"), ("outcome", "done")))
        found = [await deploy.release.samples(name) for name in REPLICAS]
        return any(one["deplite_sweeper_leader", ()] == 1 and one.get(rounds, 0) > 0 for one in found)

    await until(sweeps, True)


async def test_the_operator_counts_what_happened(deploy: Deploy) -> None:
    async def moved(name: str, **labels: str) -> float:
        return await value(deploy, "operator", name, **labels)

    assert await moved("deplite_reconcile_duration_seconds_count", kind="ApiToken", outcome="done") >= 1
    assert await moved("deplite_kube_requests_total", verb="create", resource="secrets", code="201") == 2
    # Those of other tests count as well once this operator has looked at them.
    assert await moved("deplite_objects", kind="ApiToken", ready="True") >= 1
    present = await deploy.release.samples("operator")
    assert present["deplite_operator_leader", ()] == 1
    assert present["deplite_resync_duration_seconds_count", (("outcome", "done"),)] >= 1
    assert present["deplite_kube_requests_total", (("code", "200"), ("resource", "triggers"), ("verb", "watch"))] >= 1
    assert {labels for name, labels in present if name == "deplite_reconcile_queue"} >= {(("kind", "Trigger"),)}


async def test_nobody_finds_them_at_the_ports_of_requests_and_probes(deploy: Deploy) -> None:
    for name in PROCESSES:
        assert (await ask_port(deploy.release.ports[name], "/metrics")).status == 404
