"""EnrollmentToken -> its Secret, hash and conditions."""

from deplite.resources import EnrollmentToken
from deplite_operator.context import Context
from deplite_operator.minting import deposit
from deplite_operator.policies.enrollmenttoken import judge_enrollment_token, order_of
from deplite_operator.verdict import Verdict


async def enrollment_token(context: Context, token: EnrollmentToken) -> Verdict:
    """Look at the code's Secret, mint where needed, and judge the code."""
    settings, now = context.settings, context.now()
    order = order_of(token, settings.public_url, now)
    held = None
    if order is not None and token.spec.secret_name is not None:
        held = await deposit(context.kube, token.namespace, token.spec.secret_name, order, settings.system_namespace)
    agent = token.spec.agent
    exists = agent is None or context.world.agents.get(token.namespace, agent) is not None
    return judge_enrollment_token(token, agent_exists=exists, deposit=held, now=now)
