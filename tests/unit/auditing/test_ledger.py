"""The ledger finds what it is there for: a grant that nobody uses, and a deed that no role grants."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.auditing.deeds import CLUSTER, ORGANIZATION, SYSTEM, Deed
from tests.auditing.grants import EVERYWHERE, Grant, all_grants
from tests.auditing.ledger import BEFORE, Ledger

KEYS = "deplite-server-keys"


def line(verb: str, resource: str, namespace: str = "", **more: Any) -> str:
    """A line of the audit log, as kube-apiserver writes it."""
    group = {"secrets": "", "events": "", "leases": "coordination.k8s.io"}.get(resource, "deplite.io")
    target = {"resource": resource, "namespace": namespace, "apiGroup": group} | more.pop("target", {})
    event = {
        "verb": verb,
        "user": {"username": f"system:serviceaccount:deplite-system:deplite-{more.pop('part', 'operator')}"},
        "userAgent": "deplite-operator",
        "requestURI": "/apis/deplite.io/v1alpha1/x?limit=1",
        "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }
    return json.dumps(event | ({"objectRef": target} if resource else {}) | more)


def folded(folder: Path, *lines: str, tests: tuple[str, ...] = ()) -> Ledger:
    log = folder / "1.log"
    log.write_text("".join(f"{one}\n" for one in lines))
    ledger = Ledger()
    for test in tests:
        ledger.begins(test)
    ledger.fold(log)
    return ledger


def test_a_line_is_a_deed_at_a_place(tmp_path: Path) -> None:
    ledger = folded(
        tmp_path,
        line("watch", "agents"),
        line("patch", "agents", "org-a", target={"subresource": "status"}),
        line("get", "secrets", "deplite-system", target={"name": KEYS}, part="apiserver"),
        line("get", "secrets", "org-a", target={"name": "ci"}),
        line("get", ""),
    )
    assert set(ledger.done) == {
        Deed("operator", "watch", "deplite.io", "agents", CLUSTER),
        Deed("operator", "patch", "deplite.io", "agents/status", ORGANIZATION),
        Deed("apiserver", "get", "", "secrets", SYSTEM, KEYS),
        Deed("operator", "get", "", "secrets", ORGANIZATION),
        Deed("operator", "get", "", "/apis/deplite.io/v1alpha1/x", CLUSTER),
    }
    assert set(ledger.done.values()) == {BEFORE}
    assert ledger.ungranted() == {}


def test_the_first_test_is_named(tmp_path: Path) -> None:
    later = line("watch", "agents", requestReceivedTimestamp="2999-01-01T00:00:00.000000Z")
    assert list(folded(tmp_path, later, tests=("a", "b")).done.values()) == ["b"]


def test_half_a_line_and_a_test_with_a_parts_token_count_nothing(tmp_path: Path) -> None:
    ledger = folded(tmp_path, line("create", "deployjobs", "org-a", userAgent="deplite"), line("get", "agents")[:80])
    assert (ledger.done, ledger.refused) == ({}, {})


def judged(line: str, decision: str) -> str:
    return json.dumps(json.loads(line) | {"annotations": {"authorization.k8s.io/decision": decision}})


@pytest.mark.parametrize(
    ("tried", "wrong"),
    [
        (line("create", "deployjobs", "org-a"), True),
        (line("list", "secrets", "org-a"), True),
        (line("get", "secrets", "kube-system"), True),
        (line("get", "secrets", "deplite-system", target={"name": "another"}, part="apiserver"), True),
        (line("update", "agents", "org-a", target={"subresource": "status"}), True),
        (line("get", "leases", "org-a"), True),
        (line("get", "secrets", "org-a"), False),  # refused: its RoleBinding is not there
        (line("watch", "agents"), False),  # refused: the server has not read the role yet
    ],
)
@pytest.mark.parametrize("decision", ["allow", "forbid"])
def test_what_no_role_grants_there_is_told(tmp_path: Path, tried: str, wrong: bool, decision: str) -> None:
    ledger = folded(tmp_path, judged(tried, decision), tests=("a test",))
    assert len(ledger.refused) == (1 if decision == "forbid" else 0)
    assert bool(ledger.ungranted()) is wrong


def test_a_grant_is_used_where_it_holds() -> None:
    unused = [grant for grant in all_grants() if grant.resource == "secrets"]
    assert {(grant.part, grant.place) for grant in unused} == {
        ("apiserver", SYSTEM),
        ("apiserver", ORGANIZATION),
        ("operator", ORGANIZATION),
    }
    ledger = Ledger({Deed("operator", "get", "", "secrets", ORGANIZATION): "a"})
    assert len(ledger.unused(unused)) == len(unused) - 1
    everywhere = Grant("operator", "watch", "deplite.io", "agents", EVERYWHERE)
    assert not everywhere.covers(Deed("operator", "list", "deplite.io", "agents", CLUSTER))
    assert everywhere.covers(Deed("operator", "watch", "deplite.io", "agents", CLUSTER))


def test_sessions_are_merged_from_their_files(tmp_path: Path) -> None:
    one, other = folded(tmp_path, line("get", "agents")), folded(tmp_path, line("list", "secrets"))
    one.save(tmp_path / "one.json")
    merged = Ledger.load(tmp_path / "one.json")
    merged.merge(other)
    assert merged.done == one.done | other.done
