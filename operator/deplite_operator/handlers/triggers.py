"""Trigger -> id, webhook URL and conditions."""

from deplite.resources import Trigger
from deplite_operator.context import Context
from deplite_operator.policies.agent import facts_of
from deplite_operator.policies.trigger import judge_trigger
from deplite_operator.verdict import Verdict


async def trigger(context: Context, trigger: Trigger) -> Verdict:
    """Judge a Trigger by the Agent that it names."""
    agent = context.world.agents.get(trigger.namespace, trigger.spec.agent)
    return judge_trigger(trigger, None if agent is None else facts_of(agent), context.settings.public_url)
