"""Keeps what Slack granted: the object that names the workspace, and the Secret that holds its bot token.

The Secret belongs to the object, so the garbage collector takes it away with it: this server may not delete Secrets.
"""

import secrets
from collections.abc import Callable, Sequence

from deplite.kube.client import KubeClient
from deplite.kube.errors import AlreadyExistsError, InvalidError, NotFoundError
from deplite.kube.errors import ConflictError as StaleError
from deplite.kube.secret import Secret
from deplite.resources.resource import CREATED_BY_LABEL, Meta
from deplite.resources.slackinstallation import TOKEN_KEY, SlackInstallation, SlackInstallationSpec
from deplite_apiserver.errors import ConflictError
from deplite_apiserver.ownership import refuse_managed_in_git
from deplite_apiserver.slack.app import Granted

_TRIES = 5
_RACED = "Somebody else connects or disconnects this workspace at the same moment; begin again."


def spec_of(granted: Granted, team_id: str, by: str) -> SlackInstallationSpec:
    """Return the spec of a new object for what was granted.

    Args:
        granted: what Slack says.
        team_id: the workspace, checked.
        by: the member who connected it, as `issuer#subject`.
    """
    return SlackInstallationSpec(
        team_id=team_id,
        team_name=(granted.team_name or "")[:255] or None,
        scopes=tuple(dict.fromkeys(scope[:64] for scope in granted.scopes))[:64],
        secret_name=_secret_name(team_id),
        installed_by=by,
    )


async def declare(
    kube: KubeClient,
    organization: str,
    spec: SlackInstallationSpec,
    here: Sequence[SlackInstallation],
    room: Callable[[str], None],
) -> SlackInstallation:
    """Return the organization's object for a workspace: the one that is there, brought up to date, or a new one.

    Raises:
        ConflictError: `managed_in_git`, or `conflict` where somebody else makes or deletes it at this moment.
    """
    if here:
        found = min(here, key=lambda one: one.age)
        refuse_managed_in_git(found, advice="put the bot token into its Secret there")
        fields = spec.wire() | {"teamName": spec.team_name}
        del fields["secretName"], fields["teamId"]
        return await kube.patch(SlackInstallation, *found.key, {"spec": fields})
    room(organization)
    meta = Meta(name=spec.team_id.lower(), namespace=organization, labels={CREATED_BY_LABEL: "api"})
    try:
        return await kube.create(SlackInstallation(metadata=meta, spec=spec))
    except AlreadyExistsError:
        raise ConflictError(_RACED) from None


async def keep(kube: KubeClient, installation: SlackInstallation, token: str) -> SlackInstallation:
    """Put a token into the object's Secret, and return the object, which may name another Secret now.

    A Secret of that name which does not belong to the object is left alone: it is somebody else's, or that of an
    earlier object and about to be collected.

    Raises:
        ConflictError: `conflict`: the Secret changed again and again.
    """
    data = {TOKEN_KEY: token.encode()}
    for _ in range(_TRIES):
        namespace, name = installation.namespace, installation.spec.secret_name
        try:
            secret = await _find(kube, namespace, name)
            if secret is None:
                await kube.create_secret(namespace, name, data, owner=installation)
                return installation
            if secret.owned_by(installation):
                await kube.replace_secret(secret, dict(secret.data) | data)
                return installation
        except (AlreadyExistsError, StaleError, NotFoundError):
            continue
        except InvalidError:
            pass  # it is immutable
        renamed = {"spec": {"secretName": _secret_name(installation.spec.team_id)}}
        installation = await kube.patch(SlackInstallation, *installation.key, renamed)
    raise ConflictError(_RACED)


async def _find(kube: KubeClient, namespace: str, name: str) -> Secret | None:
    try:
        return await kube.get_secret(namespace, name)
    except NotFoundError:
        return None


def _secret_name(team_id: str) -> str:
    return f"slack-{team_id.lower()}-{secrets.token_hex(4)}"
