"""What is refused before anybody asks the Kubernetes API: cheap, and never an exception."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.auth.podclaims import MAX_TOKEN, PodClaims, claims_of, is_for_agents
from tests.unit.apiserver.enrollment.pools import ACCOUNT_UID, NODE, bound, claims, jwt
from tests.unit.apiserver.jobs.builders import NAMESPACE, NOW

AT = NOW.timestamp()


def test_what_a_pods_token_says() -> None:
    token = jwt(claims())
    assert is_for_agents(token)
    assert claims_of(token, AT) == PodClaims(
        namespace=NAMESPACE, pool="web", account_uid=ACCOUNT_UID, pod_uid="p1", node=NODE
    )
    longest = claims(sub=f"system:serviceaccount:{NAMESPACE}:{'a' * 40}-agents")
    found = claims_of(jwt(longest), AT)
    assert found is not None
    assert found.pool == "a" * 40


@pytest.mark.parametrize(
    ("audience", "ours"),
    [
        (["deplite-agent"], True),
        (["https://kubernetes.default.svc", "deplite-agent"], True),
        ("deplite-agent", True),
        (["deplite"], False),
        ("deplite", False),
        (["deplite-agents"], False),
        ([], False),
        (None, False),
        ({"deplite-agent": 1}, False),
        (7, False),
    ],
)
def test_whom_it_was_made_for(audience: Any, ours: bool) -> None:
    assert is_for_agents(jwt(claims(aud=audience))) is ours


REFUSED: dict[str, dict[str, Any]] = {
    "expired": claims(exp=AT - 61),
    "without an end": claims(exp=None),
    "an end that is text": claims(exp="2099"),
    "nobody's": claims(sub=None),
    "a person's": claims(sub="olga"),
    "a node's": claims(sub="system:node:node-1"),
    "of no organization": claims(sub="system:serviceaccount:kube-system:web-agents"),
    "of no pool": claims(sub=f"system:serviceaccount:{NAMESPACE}:default"),
    "of a pool without a name": claims(sub=f"system:serviceaccount:{NAMESPACE}:-agents"),
    "of a pool with too long a name": claims(sub=f"system:serviceaccount:{NAMESPACE}:{'a' * 41}-agents"),
    "of a pool with a dot": claims(sub=f"system:serviceaccount:{NAMESPACE}:web.x-agents"),
    "with more behind it": claims(sub=f"system:serviceaccount:{NAMESPACE}:web-agents\n"),
    "bound to nothing": claims(**{"kubernetes.io": None}),
    "bound to no pod": claims(**{"kubernetes.io": bound(pod=None)}),
    "of a node without a name": claims(**{"kubernetes.io": bound(node={"name": "", "uid": "n1"})}),
    "of a node whose name is none": claims(**{"kubernetes.io": bound(node={"name": "\ud800" * 300, "uid": "n1"})}),
    "of a node with too long a name": claims(**{"kubernetes.io": bound(node={"name": "n" * 254, "uid": "n1"})}),
    "of a pod without a node": claims(**{"kubernetes.io": bound(node=None)}),
    "bound to a Secret": claims(**{"kubernetes.io": bound(pod=None, secret={"name": "s", "uid": "u"})}),
    "without the account's uid": claims(**{"kubernetes.io": bound(serviceaccount={"name": "web-agents"})}),
    "bound to a list": claims(**{"kubernetes.io": []}),
}


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_a_pod_of_a_pool(payload: dict[str, Any]) -> None:
    assert claims_of(jwt(payload), AT) is None


def test_the_last_minute_is_the_kubernetes_apis_to_judge() -> None:
    assert claims_of(jwt(claims(exp=AT - 60)), AT) is not None


SHAPES = {
    "nothing": "",
    "one part": "abc",
    "two parts": "abc.def",
    "four parts": jwt(claims()) + ".x",
    "no base64": "a.b!c.d",
    "a list": jwt([1]),
    "text": jwt("x"),
    "no JSON": jwt(b"{"),
    "no UTF-8": jwt(b"\xff\xfe"),
    "deep": jwt(b"[" * 5000 + b"]" * 5000),
    "a long number": jwt(b'{"exp":' + b"9" * 5000 + b"}"),
    "too long": jwt(claims(more="x" * MAX_TOKEN)),
    "padding inside": "a=.b=.c=",
}


@pytest.mark.parametrize("token", SHAPES.values(), ids=SHAPES.keys())
def test_what_is_no_token(token: str) -> None:
    assert not is_for_agents(token)
    assert claims_of(token, AT) is None


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_whatever_it_is_there_is_an_answer(payload: bytes) -> None:
    assert claims_of(jwt(payload), AT) is None
