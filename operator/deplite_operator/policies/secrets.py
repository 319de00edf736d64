"""The condition SecretsReady, with the RoleBinding to apply where it is missing."""

from collections.abc import Sequence
from typing import Literal

import yaml

from deplite.resources.reasons import (
    AVAILABLE,
    MINTED,
    ROLE_BINDING_MISSING,
    SECRET_CONFLICT,
    SECRET_MISSING,
    SECRET_NOT_MARKED,
    SECRETS_READY,
)
from deplite.rights import secrets_manifests
from deplite_operator.conditions import Finding, few


def role_bindings(namespace: str, system_namespace: str) -> str:
    """Return the YAML of the RoleBindings that let the parts use the Secrets of a namespace."""
    return yaml.safe_dump_all(secrets_manifests(namespace, system_namespace), sort_keys=False)


def secrets_allowed() -> Finding:
    """Return that the rights are there."""
    return _finding("True", AVAILABLE, "The operator may use the Secrets of this namespace.")


def secrets_forbidden(namespace: str, system_namespace: str) -> Finding:
    """Return that the rights are missing, and the way to grant them."""
    text = role_bindings(namespace, system_namespace)
    return _finding(
        "False",
        ROLE_BINDING_MISSING,
        f"The operator may not use the Secrets of this namespace; apply these RoleBindings:\n{text}",
    )


def secret_holds(name: str) -> Finding:
    """Return that the Secret holds the credential."""
    return _finding("True", MINTED, f"Secret {name} holds the credential.")


def secret_conflicts(name: str, why: str) -> Finding:
    """Return that the Secret cannot be used, and why."""
    return _finding("False", SECRET_CONFLICT, f"Secret {name} {why}; delete it or name another Secret.")


def secret_not_marked(name: str, why: str) -> Finding:
    """Return that the Secret holds the credential, but is not in all as it should be, and why."""
    return _finding("False", SECRET_NOT_MARKED, f"Secret {name} holds the credential, but {why}.")


def marks_refused(keys: Sequence[str]) -> str:
    """Return why a Secret is not marked where Kubernetes refuses it: the keys that would change."""
    what = f"the change of its labels and annotations ({few(keys)})" if keys else "its labels, annotations and url"
    return f"Kubernetes refuses {what}; correct spec.secretTemplate, or the policy of the cluster that forbids it"


def secret_with_token(name: str) -> Finding:
    """Return that the Secret holds a token that somebody else put there."""
    return _finding("True", AVAILABLE, f"Secret {name} holds a token.")


def secret_lacks_token(name: str, *, exists: bool) -> Finding:
    """Return that there is no token where one should be.

    Args:
        name: the Secret's name.
        exists: whether there is a Secret of that name.
    """
    what = f"Secret {name} has no key `token`" if exists else f"There is no Secret {name}"
    return _finding("False", SECRET_MISSING, f"{what}; put the bot token there under the key `token`.")


def _finding(status: Literal["True", "False"], reason: str, message: str) -> Finding:
    return Finding(type=SECRETS_READY, status=status, reason=reason, message=message)
