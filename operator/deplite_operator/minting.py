"""Puts a credential into its Secret: credential -> Secret -> status, by name, adopting what exists.

The plain text lives in the Secret only; it is never logged, and the records that hold it do not show it.
"""

import logging

from deplite.failpoints import failpoint
from deplite.kube.client import KubeClient
from deplite.kube.errors import AlreadyExistsError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from deplite.kube.secret import Secret
from deplite.resources.credentials import Credential, mint
from deplite_operator.policies.deposit import Deposit
from deplite_operator.policies.minting import TOKEN_KEY, URL_KEY, Order, SecretFacts, Step, plan
from deplite_operator.policies.secrets import (
    marks_refused,
    secret_conflicts,
    secret_holds,
    secret_not_marked,
    secrets_forbidden,
)
from deplite_operator.policies.secrettemplate import Marks, changed

log = logging.getLogger(__name__)

TRIES = 5


async def deposit(kube: KubeClient, namespace: str, name: str, order: Order, system_namespace: str) -> Deposit | None:
    """Look at the Secret and make it hold a credential; None where the namespace is being deleted.

    Args:
        kube: the client.
        namespace: the organization.
        name: the Secret's name.
        order: what its token or code wants.
        system_namespace: where the parts' ServiceAccounts are, for the RoleBinding to apply.

    Raises:
        KubeError: the Secret changed again and again, or the API server does not answer.
    """
    try:
        return await _settle(kube, namespace, name, order)
    except ForbiddenError as error:
        return None if error.namespace_ends else Deposit(finding=secrets_forbidden(namespace, system_namespace))
    except InvalidError:
        why = "cannot be written (spec.secretTemplate, or a policy of the cluster: see what forbids it)"
        return Deposit(finding=secret_conflicts(name, why))


async def _settle(kube: KubeClient, namespace: str, name: str, order: Order) -> Deposit:
    for number in range(TRIES):
        secret = await _find(kube, namespace, name)
        decided = plan(order, _facts(secret))
        if decided.step is Step.REFUSE:
            return Deposit(finding=secret_conflicts(name, decided.why))
        credential = decided.credential or mint(order.kind)
        try:
            if decided.step is not Step.KEEP:
                failpoint("operator.secret.decided")
                await _write(kube, namespace, name, secret, order, credential)
                log.info("%s: Secret %s/%s", decided.step.value, namespace, name, extra={"action": "secret_written"})
            finding = secret_not_marked(name, decided.why) if decided.why else secret_holds(name)
            return Deposit(finding=finding, credential=credential)
        except InvalidError:
            if decided.step is not Step.MARK or secret is None:
                raise
            found = _marks(secret)
            finding = secret_not_marked(name, marks_refused(changed(found, order.marks(found))))
            return Deposit(finding=finding, credential=credential)
        except (AlreadyExistsError, ConflictError, NotFoundError):
            if number == TRIES - 1:
                raise
    raise AssertionError("the last try returns or raises")


async def _find(kube: KubeClient, namespace: str, name: str) -> Secret | None:
    try:
        return await kube.get_secret(namespace, name)
    except NotFoundError:
        return None


def _facts(secret: Secret | None) -> SecretFacts | None:
    return (
        None
        if secret is None
        else SecretFacts(data=secret.data, marks=_marks(secret), immutable=secret.immutable, foreign=_foreign(secret))
    )


def _foreign(secret: Secret) -> bool:
    owners = secret.original["metadata"].get("ownerReferences") or ()
    return secret.original.get("type") != "Opaque" or any(owner.get("controller") for owner in owners)


def _marks(secret: Secret) -> Marks:
    return Marks(labels=secret.labels, annotations=secret.annotations)


async def _write(
    kube: KubeClient, namespace: str, name: str, secret: Secret | None, order: Order, credential: Credential
) -> None:
    ours = {TOKEN_KEY: credential.plain.encode(), URL_KEY: order.url.encode()}
    marks = order.marks(Marks() if secret is None else _marks(secret))
    if secret is None:
        await kube.create_secret(namespace, name, ours, labels=marks.labels, annotations=marks.annotations)
    else:
        data = dict(secret.data) | ours
        await kube.replace_secret(secret, data, labels=marks.labels, annotations=marks.annotations)
