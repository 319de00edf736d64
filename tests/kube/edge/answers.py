"""What every refusal must look like."""

from typing import Any

import httpx

INSIDE = ("Traceback", "deplite.io", "apiserver", "kube", "pydantic", "namespaces", "resourceVersion")
"""Words of ours and of Kubernetes that no caller may read in a refusal."""


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a refusal in the documented shape, and return its body."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    body: dict[str, Any] = answer.json()
    assert body["statusCode"] == status
    assert isinstance(body["message"], str)
    assert 0 < len(body["message"]) < 400
    assert "detail" not in body
    assert answer.headers.get("retry-after") == (str(body["retryAfter"]) if "retryAfter" in body else None)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert not [word for word in INSIDE if word in answer.text]
    return body
