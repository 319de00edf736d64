"""Agent -> id and conditions."""

from deplite.resources import Agent
from deplite_operator.context import Context
from deplite_operator.policies.agent import judge_agent
from deplite_operator.verdict import Verdict


async def agent(context: Context, agent: Agent) -> Verdict:
    """Judge an Agent; nothing else is asked."""
    return judge_agent(agent)
