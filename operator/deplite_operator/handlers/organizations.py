"""Organization -> conditions."""

from deplite.resources import Organization
from deplite_operator.context import Context
from deplite_operator.policies.organization import judge_organization
from deplite_operator.verdict import Verdict

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_VERBS = ("get", "create", "update")


async def organization(context: Context, organization: Organization) -> Verdict:
    """Judge an Organization by its members and by what we may do in its namespace."""
    may = [await _may(context, organization.namespace, verb) for verb in _VERBS]
    namespace = context.settings.system_namespace
    return judge_organization(organization, may_use_secrets=all(may), system_namespace=namespace)


async def _may(context: Context, namespace: str, verb: str) -> bool:
    attributes = {"namespace": namespace, "verb": verb, "resource": "secrets"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await context.kube.connection.request("POST", _REVIEWS, body=review)
    return bool(answer["status"]["allowed"])
