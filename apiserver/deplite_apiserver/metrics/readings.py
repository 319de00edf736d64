"""How things are: read off a replica at each scrape. What happens is told when it does (`metrics.py`)."""

from collections import Counter
from collections.abc import Iterable

from deplite.metrics.instruments import Value, plain
from deplite.metrics.kube import show_caches
from deplite_apiserver.context import Context
from deplite_apiserver.jobs.view import LiveJob
from deplite_apiserver.metrics.metrics import Metrics

_STATES = ("Pending", "Connected", "Disconnected", "Revoked")


def show(metrics: Metrics, context: Context) -> None:
    """Have each scrape read a replica."""
    show_caches(metrics, lambda: context.caches.all())
    _show_jobs(metrics, context)
    _show_agents(metrics, context)
    metrics.gauge(
        "deplite_redis_up",
        "Whether Redis answers, as each replica sees it; nothing where there is one replica.",
        (),
        lambda: [] if context.shared.link is None else [((), float(not context.shared.link.away))],
    )
    about = "1 at the replica that does what has to happen because time passed; the sum over all replicas is 1."
    metrics.gauge("deplite_sweeper_leader", about, (), plain(lambda: context.desk.leads))


def _show_jobs(metrics: Metrics, context: Context) -> None:
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
