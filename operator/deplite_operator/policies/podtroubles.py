"""Ready=False for what keeps pods from running, with what to do; the commonest trouble is told."""

from collections.abc import Sequence

from deplite.resources import AgentPool
from deplite.resources.reasons import IMAGE_PULL_FAILING, PODS_FAILING, PODS_UNSCHEDULABLE
from deplite_operator.conditions import Finding, few, not_ready, quoted
from deplite_operator.policies.pods import PodFacts, Trouble


def trouble_of(pool: AgentPool, pods: Sequence[PodFacts], told: str) -> Finding | None:
    """Return what most of the pods suffer from.

    Args:
        pool: the pool.
        pods: those whose agent does not serve.
        told: the newest warning about a pod that is stuck.
    """
    suffering = sorted((pod for pod in pods if pod.trouble is not None), key=lambda pod: pod.place)
    if not suffering:
        return None
    counts = {trouble: [pod for pod in suffering if pod.trouble is trouble] for trouble in Trouble}
    trouble = max(counts, key=lambda one: len(counts[one]))
    chosen = counts[trouble]
    match trouble:
        case Trouble.UNSCHEDULABLE:
            return _unschedulable(chosen)
        case Trouble.PULLING:
            return _pulling(pool, chosen)
        case Trouble.ENDING:
            return _ending(pool, chosen)
        case Trouble.MEMORY:
            return _memory(chosen)
        case Trouble.REFUSED:
            return _refused(chosen)
        case Trouble.STUCK:
            return _stuck(pool, chosen, told)


def _unschedulable(pods: Sequence[PodFacts]) -> Finding:
    advice = "make room there, or lower spec.resources.requests"
    return not_ready(PODS_UNSCHEDULABLE, f"{_on(pods)} has no place; {advice}: {quoted(pods[0].detail)}")


def _pulling(pool: AgentPool, pods: Sequence[PodFacts]) -> Finding:
    advice = "correct spec.image or spec.imagePullSecrets" if pool.spec.image else "see agent.image of the chart"
    return not_ready(
        IMAGE_PULL_FAILING, f"{_on(pods)} cannot get the image {pods[0].image}; {advice}: {quoted(pods[0].detail)}"
    )


def _ending(pool: AgentPool, pods: Sequence[PodFacts]) -> Finding:
    logs = f"kubectl -n {pool.namespace} logs {pods[0].name} --previous"
    return not_ready(PODS_FAILING, f"{_on(pods)} ends again and again (exit code {pods[0].detail}); see {logs}.")


def _memory(pods: Sequence[PodFacts]) -> Finding:
    return not_ready(PODS_FAILING, f"{_on(pods)} uses more memory than it may; raise spec.resources.limits.memory.")


def _refused(pods: Sequence[PodFacts]) -> Finding:
    return not_ready(PODS_FAILING, f"{_on(pods)} cannot be started: {quoted(pods[0].detail)}")


def _stuck(pool: AgentPool, pods: Sequence[PodFacts], told: str) -> Finding:
    describe = f"kubectl -n {pool.namespace} describe pod {pods[0].name}"
    return not_ready(
        PODS_FAILING, f"{_on(pods)} does not start; see {describe}: {quoted(told or 'it is still being set up')}"
    )


def _on(pods: Sequence[PodFacts]) -> str:
    return f"The pod on {few([pod.place for pod in pods])}"
