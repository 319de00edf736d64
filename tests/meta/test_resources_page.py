"""Every condition, reason and Event that the parts write is in the tables of docs/resources.md, and nothing else."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from deplite.resources import reasons

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "resources.md").read_text()
OPERATOR = ROOT / "operator"
KINDS = {
    "Organization": "organizations",
    "Agent": "agents",
    "AgentPool": "agentpools",
    "Trigger": "triggers",
    "ApiToken": "apitokens",
    "EnrollmentToken": "enrollmenttokens",
    "SlackInstallation": "slackinstallations",
}
"""The handler of each kind."""
STATUSES = {"ready": "Ready=True", "not_ready": "Ready=False", "stalled": "Ready=False", "say": "Ready=False"}
"""What a call of these says; `say` is one of the two before it."""


@cache
def module(name: str) -> ast.Module:
    return ast.parse((OPERATOR / f"{name.replace('.', '/')}.py").read_text())


def called(name: str, function: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield module and name of every function of the operator that one uses."""
    local = {node.name for node in module(name).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    imported = {
        alias.name: node.module
        for node in module(name).body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("deplite_operator.")
        for alias in node.names
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and (node.id in local or node.id in imported):
            yield (name if node.id in local else imported[node.id]), node.id


def said(name: str, function: str, seen: set[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield what a handler may find: condition and status, reason, and by which function."""
    if (name, function) in seen or name == "deplite_operator.conditions":
        return
    seen.add((name, function))
    for body in module(name).body:
        if isinstance(body, ast.FunctionDef | ast.AsyncFunctionDef) and body.name == function:
            yield from findings(body)
            for other in called(name, body):
                yield from said(*other, seen)


def findings(function: ast.AST) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id=by), args=[ast.Name(id=reason), *_]) if by in STATUSES:
                yield STATUSES[by], getattr(reasons, reason), by
            case ast.Call(func=ast.Name(id="_finding"), args=[ast.Constant(value=status), ast.Name(id=reason), *_]):
                yield f"SecretsReady={status}", getattr(reasons, reason), ""


def stalls(by: set[str]) -> str:
    if "say" in by or by >= {"stalled", "not_ready"}:
        return "at times"
    return {"stalled": "yes", "not_ready": "no"}.get("".join(by), "")


def rows(title: str, pattern: str) -> list[tuple[str, ...]]:
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [tuple(row) for row in re.findall(pattern, section, re.MULTILINE)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_of_a_kind_is_told(kind: str) -> None:
    handler = f"deplite_operator.handlers.{KINDS[kind]}"
    (entry,) = (
        node.name for node in module(handler).body if isinstance(node, ast.AsyncFunctionDef) and node.name[0] != "_"
    )
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for condition, reason, by in said(handler, entry, set()):
        found[condition, reason].add(by)
    wanted = {(condition, reason, stalls(by)) for (condition, reason), by in found.items()}
    if kind == "Agent":  # of this the apiserver is the writer
        wanted.add((f"{reasons.DUPLICATE_IDENTITY}=True", reasons.TWO_PROCESSES, ""))
    told = rows(kind, r"^\| (\w+=\w+) \| `(\w+)` \| ([a-z ]*?) ?\| \S")
    assert len(told) == len(set(told))
    assert set(told) == wanted


def test_every_event_is_told() -> None:
    made = [
        node
        for part in ("apiserver", "operator", "deplite")
        for path in (ROOT / part).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Event" and node.keywords
    ]
    found = {
        getattr(reasons, name.id)
        for call in made
        for keyword in call.keywords
        if keyword.arg == "reason"
        for name in ast.walk(keyword.value)
        if isinstance(name, ast.Name) and name.id.isupper()
    }
    told = rows("Events", r"^\| ([\w, ]+) \| (Normal|Warning) \| `(\w+)` \| \S")
    assert sorted(reason for _, _, reason in told) == sorted(found)


def test_every_reason_that_is_written_down_is_told() -> None:
    words = {value for name, value in vars(reasons).items() if name.isupper()}
    told = set(re.findall(r"`(\w+)`", PAGE)) | set(re.findall(r"^\| (\w+)=", PAGE, re.MULTILINE))
    assert words - told == set()
