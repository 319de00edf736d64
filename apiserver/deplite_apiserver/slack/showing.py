"""Puts the worker of the cards together: from the jobs' part to Slack."""

from collections.abc import Callable

from deplite.kube.client import KubeClient
from deplite.resources import DeployJob
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.jobs.desk import Desk
from deplite_apiserver.slack.card import Around
from deplite_apiserver.slack.cards import Cards
from deplite_apiserver.slack.delivery import Delivery
from deplite_apiserver.slack.desk import Slack
from deplite_apiserver.slack.mrkdwn import escaped
from deplite_apiserver.slack.undelivered import Undelivered


def cards_of(slack: Slack, desk: Desk, *, kube: KubeClient, caches: Caches, clock: Clock, public_url: str) -> Cards:
    """Return the worker that shows the jobs of a desk in Slack; whoever holds the desk's Lease runs it."""
    delivery = Delivery(
        store=kube,
        note=caches.jobs.note,
        recent=desk.recent,
        app=slack.app,
        installations=slack.installations,
        around=_around(desk, caches, public_url),
        mark=slack.connections.mark,
        undelivered=Undelivered(kube, caches.triggers, clock.now),
        now=clock.now,
        monotonic=clock.monotonic,
    )
    return Cards(
        jobs=caches.jobs,
        workspaces=caches.slack,
        installations=slack.installations,
        steps=desk.steps,
        delivery=delivery,
        leads=slack.holds_lease,
        now=clock.now,
    )


def _around(desk: Desk, caches: Caches, public_url: str) -> Callable[[DeployJob], Around]:
    def around(job: DeployJob) -> Around:
        namespace, spec = job.namespace, job.spec
        trigger = caches.triggers.get(namespace, spec.trigger) if spec.trigger else None
        agent = caches.agents.get(namespace, spec.agent)
        return Around(
            title=(trigger.spec.display_name if trigger else None) or spec.trigger or spec.workflow,
            agent=(agent.spec.display_name if agent else None) or spec.agent,
            url=escaped(f"{public_url}/api/jobs/{job.name}"),
            waiting=desk.waiting_for(job),
            step=desk.steps.of((namespace, job.name, job.metadata.uid[:8])),
        )

    return around
