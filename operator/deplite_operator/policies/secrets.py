"""The condition SecretsReady, with the RoleBinding to apply where it is missing."""

from typing import Literal

from deplite.resources.reasons import AVAILABLE, MINTED, ROLE_BINDING_MISSING, SECRET_CONFLICT, SECRETS_READY
from deplite_operator.conditions import Finding

ROLE = "deplite-operator-secrets"
"""The ClusterRole that a RoleBinding in each organization's namespace grants to the operator."""
ACCOUNT = "deplite-operator"
"""The operator's ServiceAccount, in the parts' namespace."""

_ROLE_BINDING = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {role}
  namespace: {namespace}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {role}
subjects:
- kind: ServiceAccount
  name: {account}
  namespace: {system_namespace}
"""


def role_binding(namespace: str, system_namespace: str) -> str:
    """Return the YAML of the RoleBinding that lets the operator use the Secrets of a namespace."""
    return _ROLE_BINDING.format(role=ROLE, account=ACCOUNT, namespace=namespace, system_namespace=system_namespace)


def secrets_allowed() -> Finding:
    """Return that the rights are there."""
    return _finding("True", AVAILABLE, "The operator may use the Secrets of this namespace.")


def secrets_forbidden(namespace: str, system_namespace: str) -> Finding:
    """Return that the rights are missing, and the way to grant them."""
    text = role_binding(namespace, system_namespace)
    return _finding(
        "False",
        ROLE_BINDING_MISSING,
        f"The operator may not use the Secrets of this namespace; apply this RoleBinding:\n{text}",
    )


def secret_holds(name: str) -> Finding:
    """Return that the Secret holds the credential."""
    return _finding("True", MINTED, f"Secret {name} holds the credential.")


def secret_conflicts(name: str, why: str) -> Finding:
    """Return that the Secret cannot be used, and why."""
    return _finding("False", SECRET_CONFLICT, f"Secret {name} {why}; delete it or name another Secret.")


def _finding(status: Literal["True", "False"], reason: str, message: str) -> Finding:
    return Finding(type=SECRETS_READY, status=status, reason=reason, message=message)
