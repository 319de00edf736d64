"""Pods of an earlier DaemonSet, beside which a new one would make pods of its own."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from deplite.resources.reasons import PODS_TERMINATING
from deplite.resources.resource import utc
from deplite_operator.conditions import Finding, few, not_ready
from deplite_operator.policies.pods import PodFacts

OVERDUE_SECONDS = 60
"""A pod that is there so long after its grace period is on a node that is gone or cut off: nobody waits for it."""


def pods_terminating(pods: Iterable[PodFacts], account: str, now: datetime) -> Finding | None:
    """Return that pods of an earlier DaemonSet are there, if some are.

    Args:
        pods: those with the label of the pool that have not ended.
        account: the ServiceAccount of the pool, as which they enrol: no other pod can take over an agent.
        now: the present moment, UTC.
    """
    found = sorted((pod for pod in pods if pod.account == account and _lingers(pod, now)), key=lambda pod: pod.place)
    if not found:
        return None
    where = f"Pods of an earlier DaemonSet are still on {few([pod.place for pod in found])}"
    if running := [pod.name for pod in found if not pod.ending]:
        advice = f"if they stay, delete them: {few(running)}"
        return not_ready(PODS_TERMINATING, f"{where}; a new one is made after them; {advice}.")
    last = max(pod.ends_at for pod in found if pod.ends_at is not None)
    return not_ready(
        PODS_TERMINATING, f"{where}, where jobs may go on until {utc(last)}; a new one is made after them."
    )


def _lingers(pod: PodFacts, now: datetime) -> bool:
    """Tell whether it stays beside a new DaemonSet, which takes in a pod that nothing controls and nobody ends."""
    if pod.ends_at is None:
        return pod.controller != ""
    return now < pod.ends_at + timedelta(seconds=OVERDUE_SECONDS)
