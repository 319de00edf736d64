"""What is true of an Organization: whether somebody can administer it, and whether its tokens can be minted."""

import re

from deplite.resources import Organization
from deplite.resources.organization import NAMESPACE_PATTERN
from deplite.resources.reasons import AVAILABLE, NO_OWNER, NOT_AN_ORGANIZATION
from deplite_operator.conditions import Finding, ready, stalled
from deplite_operator.policies.secrets import secrets_allowed, secrets_forbidden
from deplite_operator.verdict import Verdict


def judge_organization(organization: Organization, *, may_use_secrets: bool, system_namespace: str) -> Verdict:
    """Say Ready, and SecretsReady from whether the operator's rights in the namespace suffice."""
    namespace = organization.namespace
    secrets = secrets_allowed() if may_use_secrets else secrets_forbidden(namespace, system_namespace)
    return Verdict(findings=(_ready(organization), secrets))


def _ready(organization: Organization) -> Finding:
    if not re.fullmatch(NAMESPACE_PATTERN, organization.namespace):
        return stalled(
            NOT_AN_ORGANIZATION,
            "The name of an organization's namespace must be org- and 1 to 55 of a-z, 0-9 and -; use another.",
        )
    if not any(member.role == "owner" for member in organization.spec.members):
        return stalled(NO_OWNER, "Nobody can administer the organization; add a member with role owner.")
    return ready(AVAILABLE, "The organization can be used.")
