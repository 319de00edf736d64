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


@pytest.mark.parametrize(
    "tried",
    [
        line("create", "deployjobs", "org-a"),
        line("list", "secrets", "org-a"),
        line("get", "secrets", "kube-system"),
        line("get", "secrets", "deplite-system", target={"name": "another"}, part="apiserver"),
        line("update", "agents", "org-a", target={"subresource": "status"}),
    ],
)
@pytest.mark.parametrize("refused", [True, False])
def test_what_no_role_grants_is_told(tmp_path: Path, tried: str, refused: bool) -> None:
    event = json.loads(tried)
    event["annotations"]["authorization.k8s.io/decision"] = "forbid" if refused else "allow"
    ledger = folded(tmp_path, json.dumps(event), tests=("a test",))
    known = {grant[:4] for grant in all_grants()}
    (deed,) = ledger.refused or ledger.done
    # A right of ours that holds elsewhere only: refused is what happens where its RoleBinding is missing.
    assert bool(ledger.ungranted()) is (not refused or deed[:4] not in known)


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
