"""What is read off a replica at each scrape: how things are, and counts that the things themselves keep."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

from deplite.metrics.instruments import Value, plain
from deplite.metrics.kube import of_each, show_caches
from deplite_apiserver.context import Context
from deplite_apiserver.jobs.run import ACCEPTED, REPEATED
from deplite_apiserver.jobs.view import LiveJob
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.link import Link

SOURCES = {"token": "webhook", "user": "person", "slack": "slack", "schedule": "schedule", "kubernetes": "kubernetes"}
_STATES = ("Pending", "Connected", "Disconnected", "Revoked")


def show(metrics: Metrics, context: Context) -> None:
    """Have each scrape read a replica."""
    show_caches(metrics, lambda: context.caches.all())
    metrics.counted(
        "deplite_cache_watch_failures_total",
        "Watches that failed and were begun anew; the API server's regular end is none.",
        ("resource",),
        of_each(lambda: context.caches.all(), lambda cache: cache.failures),
    )
    _show_runs(metrics, context)
    _show_agents(metrics, context)
    _show_stores(metrics, context)
    about = "1 at the replica that does what has to happen because time passed; the sum over all replicas is 1."
    metrics.gauge("deplite_sweeper_leader", about, (), plain(lambda: context.desk.leads))


def _show_runs(metrics: Metrics, context: Context) -> None:
    def outcomes(kind: Literal["accepted", "repeated", "refused"]) -> Iterable[Value]:
        for (source, outcome), count in context.desk.outcomes.items():
            refused = outcome not in (ACCEPTED, REPEATED)
            if kind == ("refused" if refused else outcome):
                yield (SOURCES[source], outcome) if refused else (SOURCES[source],), count

    for kind, about in (
        ("accepted", "Runs that became a job."),
        ("repeated", "Requests that met the job of their key."),
    ):
        metrics.counted(
            f"deplite_runs_{kind}_total",
            f"{about} By who asked: `webhook`, `person`, `slack`, `schedule`.",
            ("source",),
            lambda kind=kind: outcomes(kind),  # type: ignore[misc]
        )
    metrics.counted(
        "deplite_runs_refused_total",
        "Runs that were refused, by who asked and the code of docs/api.md; neither refused credentials nor a "
        "Kubernetes API that does not answer are among them.",
        ("source", "code"),
        lambda: outcomes("refused"),
    )
    metrics.gauge(
        "deplite_jobs_unfinished",
        "Jobs that have not ended; each replica sees all of them.",
        ("phase",),
        lambda: _unfinished(context),
    )
    metrics.gauge(
        "deplite_jobs_undelivered_oldest_seconds",
        "Age of the oldest queued job whose agent is connected and that waits for no other job; 0: there is none.",
        (),
        plain(lambda: _oldest(context)),
    )


def _unfinished(context: Context) -> Iterable[Value]:
    found = Counter({"Queued": 0, "Running": 0})
    found.update(job.phase.value for job in context.caches.jobs.by("unfinished", True) if isinstance(job, LiveJob))
    return [((phase,), count) for phase, count in found.items()]


def _oldest(context: Context) -> float:
    waiting = [
        job.created_at
        for job in context.caches.jobs.by("unfinished", True)
        if isinstance(job, LiveJob)
        and job.queued
        and not job.waits_for_group
        and context.desk.presence.connected((job.namespace, job.agent))
    ]
    return max(0.0, (context.clock.now() - min(waiting)).total_seconds()) if waiting else 0.0


def _show_agents(metrics: Metrics, context: Context) -> None:
    def agents() -> Iterable[Value]:
        found: Counter[str] = Counter(dict.fromkeys(_STATES, 0))
        found.update(agent.status.state for agent in context.caches.agents.values())
        return [((state,), count) for state, count in found.items()]

    metrics.gauge("deplite_agents", "Agents by the state in their status; each replica sees all.", ("state",), agents)
    metrics.gauge(
        "deplite_agent_streams",
        "Streams of agents that are open at this replica.",
        (),
        plain(lambda: len(context.desk.streams.agents())),
    )
    metrics.counted(
        "deplite_agent_streams_opened_total",
        "Streams that agents opened.",
        (),
        plain(lambda: context.desk.streams.opened),
    )
    metrics.counted(
        "deplite_agent_streams_moved_total",
        "Streams that were closed to move to another replica.",
        (),
        plain(lambda: context.desk.streams.released),
    )
    metrics.counted(
        "deplite_agent_events_sent_total",
        "Events that were put into streams.",
        ("event",),
        lambda: [((event,), count) for event, count in sorted(context.desk.streams.sent.items())],
    )


def _show_stores(metrics: Metrics, context: Context) -> None:
    def of_redis(read: Callable[[Link], float]) -> Callable[[], Iterable[Value]]:
        return lambda: [] if context.shared.link is None else [((), float(read(context.shared.link)))]

    metrics.gauge(
        "deplite_redis_up",
        "Whether Redis answers, as each replica sees it; nothing where there is one replica.",
        (),
        of_redis(lambda link: not link.away),
    )
    metrics.counted("deplite_redis_calls_total", "Calls of Redis.", (), of_redis(lambda link: link.calls))
    metrics.counted(
        "deplite_redis_failures_total",
        "Calls that got no answer, or one that says no.",
        (),
        of_redis(lambda link: link.failures),
    )
    metrics.counted(
        "deplite_slack_calls_total",
        "Calls of Slack, by method and outcome (`done`, `refused`, `limited`, `unavailable`).",
        ("method", "outcome"),
        lambda: context.slack.calls.items(),
    )
    metrics.counted(
        "deplite_jwks_fetches_total",
        "Times that the keys of issuers were asked for.",
        (),
        plain(lambda: context.jwt.fetches[0]),
    )
    metrics.counted(
        "deplite_jwks_failures_total",
        "Failed fetches; the keys known before go on being good.",
        (),
        plain(lambda: context.jwt.fetches[1]),
    )
