"""ApiToken -> its Secret, hash, id and conditions."""

from deplite.resources import ApiToken
from deplite_operator.context import Context
from deplite_operator.minting import deposit
from deplite_operator.policies.apitoken import judge_api_token, order_of
from deplite_operator.verdict import Verdict
from deplite_operator.world import World


async def api_token(context: Context, token: ApiToken) -> Verdict:
    """Look at the token's Secret, mint where needed, and judge the token."""
    settings, now = context.settings, context.now()
    order = order_of(token, settings.public_url, now)
    held = None
    if order is not None and token.spec.secret_name is not None:
        held = await deposit(context.kube, token.namespace, token.spec.secret_name, order, settings.system_namespace)
    return judge_api_token(token, _missing(context.world, token), held, now)


def _missing(world: World, token: ApiToken) -> tuple[str, ...]:
    agents = {name for grant in token.spec.grants for name in grant.agents}
    triggers = {name for grant in token.spec.grants for name in grant.triggers}
    return (
        *(f"Agent {name}" for name in sorted(agents) if world.agents.get(token.namespace, name) is None),
        *(f"Trigger {name}" for name in sorted(triggers) if world.triggers.get(token.namespace, name) is None),
    )
