"""Puts the worker of the cards together: from the jobs' part to Slack."""

from collections.abc import Callable

from deplite.kube.client import KubeClient
from deplite.resources import DeployJob
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.jobs.desk import Desk
from deplite_apiserver.jobs.steps import key_of
from deplite_apiserver.slack.card import Around
from deplite_apiserver.slack.cards import Cards
from deplite_apiserver.slack.delivery import Delivery
from deplite_apiserver.slack.desk import Slack
from deplite_apiserver.slack.names import agent_of, job_url, title_of
from deplite_apiserver.slack.undelivered import Undelivered


def cards_of(slack: Slack, desk: Desk, *, kube: KubeClient, caches: Caches, clock: Clock, public_url: str) -> Cards:
    """Return the worker that shows the jobs of a desk in Slack; whoever holds the desk's Lease runs it."""
    delivery = Delivery(
        store=kube,  # not fenced by the Lease: whoever lost it is still the one who knows where its message is
        note=caches.jobs.note,
        recent=desk.recent,
        app=slack.app,
        installations=slack.installations,
        around=_around(desk, caches, public_url),
        mark=slack.connections.mark,
        undelivered=Undelivered(kube, caches.triggers, clock.now),
        left=lambda: desk.left,
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
        return Around(
            title=title_of(caches, job),
            agent=agent_of(caches, job),
            url=job_url(public_url, job),
            waiting=desk.waiting_for(job),
            step=desk.steps.of(key_of(job)),
        )

    return around
