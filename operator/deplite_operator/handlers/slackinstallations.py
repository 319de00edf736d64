"""SlackInstallation -> conditions."""

from deplite.kube.errors import ForbiddenError, NotFoundError
from deplite.resources import SlackInstallation
from deplite.resources.slackinstallation import TOKEN_KEY
from deplite_operator.conditions import Finding
from deplite_operator.context import Context
from deplite_operator.policies.secrets import secret_lacks_token, secret_with_token, secrets_forbidden
from deplite_operator.policies.slackinstallation import judge_slack_installation, yields_to
from deplite_operator.verdict import Verdict


async def slack_installation(context: Context, installation: SlackInstallation) -> Verdict:
    """Look at the Secret and at others of the same workspace; whether Slack accepts the token, the apiserver says."""
    others = context.world.slack.by("team", installation.spec.team_id)
    taken = any(yields_to(installation, other) for other in others)
    return judge_slack_installation(installation, await _secret(context, installation), taken=taken)


async def _secret(context: Context, installation: SlackInstallation) -> Finding:
    namespace, name = installation.namespace, installation.spec.secret_name
    try:
        secret = await context.kube.get_secret(namespace, name)
    except NotFoundError:
        return secret_lacks_token(name, exists=False)
    except ForbiddenError:
        return secrets_forbidden(namespace, context.settings.system_namespace)
    return secret_with_token(name) if secret.data.get(TOKEN_KEY, b"").strip() else secret_lacks_token(name, exists=True)
