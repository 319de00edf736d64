"""What is told of a request: verb and resource, and never a name."""

import pytest

from deplite.kube.observing import asked

DEPLITE = "/apis/deplite.io/v1alpha1"
NAMED = f"{DEPLITE}/namespaces/org-a/triggers/secrets"


@pytest.mark.parametrize(
    ("method", "path", "query", "told"),
    [
        ("GET", f"{DEPLITE}/triggers", {"limit": 1}, ("list", "triggers")),
        ("GET", f"{DEPLITE}/triggers", {"watch": "1"}, ("watch", "triggers")),
        ("GET", f"{DEPLITE}/triggers", {"watch": "true"}, ("watch", "triggers")),
        ("GET", f"{DEPLITE}/namespaces/org-a/triggers", {}, ("list", "triggers")),
        ("GET", NAMED, {}, ("get", "triggers")),
        ("PATCH", f"{NAMED}/status", {}, ("patch", "triggers/status")),
        ("PATCH", f"{NAMED}/odd-name", {}, ("patch", "triggers")),
        ("DELETE", NAMED, {}, ("delete", "triggers")),
        ("POST", f"{DEPLITE}/namespaces/org-a/deployjobs", {}, ("create", "deployjobs")),
        ("PUT", "/api/v1/namespaces/org-a/secrets/odd", {}, ("update", "secrets")),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/deplite-system/leases/odd", {}, ("get", "leases")),
        ("PUT", "/apis/apps/v1/namespaces/org-a/daemonsets/odd", {}, ("update", "daemonsets")),
        ("GET", "/api/v1/namespaces/org-a/pods", {"labelSelector": "a=b"}, ("list", "pods")),
        ("GET", "/api/v1/namespaces/org-a/configmaps/odd", {}, ("get", "configmaps")),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {}, ("create", "tokenreviews")),
        ("GET", "/api/v1/namespaces/org-a", {}, ("get", "other")),
        ("GET", "/apis/odd.example/v1/odds/odd", {}, ("get", "other")),
        ("GET", "/version", {}, ("list", "other")),
        ("ODD", "/", {}, ("other", "other")),
    ],
)
def test_a_request_is_told_by_verb_and_resource(
    method: str, path: str, query: dict[str, str], told: tuple[str, str]
) -> None:
    assert asked(method, path, query) == told
