"""Values: unknown keys and settings that contradict each other are refused, each with a sentence that helps."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.generated import resolved
from tests.chart.chart import CHART, FILES, VALUES, Helm, HelmError, Object, ours, pods, values

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
S3 = ("--set", "s3.endpoint=https://s3.example.com,s3.existingSecret.name=our-s3")
REFUSALS = [
    ("serviceMonitor.enabled=true,metrics.enabled=false", "set metrics.enabled=true, too"),
    ("apiserver.replicas=2", "Set redis.url .or valkey.enabled=true for a trial., or apiserver.replicas=1"),
    ("valkey.enabled=true,redis.url=redis://r", "choose the bundled Valkey or your own Redis"),
    ("valkey.enabled=true,redis.existingSecret.name=r", "choose the bundled Valkey or your own Redis"),
    ("valkey.enabled=true,redis.username=u", "choose the bundled Valkey or your own Redis"),
    ("redis.url=redis://r,redis.username=u", "Set redis.existingSecret.name"),
    ("redis.url=redis://r,redis.ca.secretName=c", "must begin with rediss"),
    ("seaweedfs.enabled=true", "choose the bundled SeaweedFS or your own S3"),
    ("seaweedfs.enabled=true,s3.endpoint=", "choose the bundled SeaweedFS or your own S3"),
    ("s3.endpoint=", "set s3.endpoint, s3.bucket and s3.existingSecret.name"),
    ("s3.existingSecret.name=", "set s3.endpoint, s3.bucket and s3.existingSecret.name"),
    ("slack.clientId=1.2.3", "set slack.existingSecret.name, too"),
    ("slack.existingSecret.name=s", "set slack.clientId, too"),
    ("ingress.enabled=true,hosts.app=a.example.com", "set hosts.app .people. and hosts.api"),
    ("gateway.enabled=true,hosts.app=a.b,hosts.api=a.b", "set gateway.parentRefs"),
    ("signIn.cluster.enabled=false", "Nobody could sign in"),
    ("organizations[0].name=org-a,organizations[1].name=org-a", "org-a is there twice"),
    ("organizations[0].name=team-a", "does not match pattern"),
    ("redis.url=redis://user:secret@r", "does not match pattern"),
    ("apiserver.replicas=0", "minimum"),
    ("organizations[0].name=org-a,organizations[0].members[0].role=owner", "oneOf"),
]
"""What contradicts itself or leaves out what must be said, and the sentence that says so."""


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("type") == "object" or "properties" in node:
            yield path, node
        for name, inner in node.items():
            yield from nodes(inner, f"{path}/{name}")
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from nodes(inner, f"{path}/{number}")


def test_every_object_of_the_schema_is_closed() -> None:
    open_ones = [path for path, node in nodes(SCHEMA) if "additionalProperties" not in node]
    # What an umbrella chart hands down, and what is copied into a pod or a policy as it is.
    assert open_ones == ["/properties/global", "/definitions/open"]
    assert [path for path, node in nodes(SCHEMA) if node.get("additionalProperties") is True] == [
        "/definitions/env/additionalProperties/additionalProperties"
    ]
    free = [path for path, node in nodes(SCHEMA) if isinstance(node.get("additionalProperties"), dict)]
    assert all("properties" not in node for path, node in nodes(SCHEMA) if path in free)


def paths(node: Any, schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the path of each default, and whether the schema knows it."""
    for name, value in node.items():
        known = resolved(schema.get("properties", {}).get(name, {}), SCHEMA)
        yield f"{path}.{name}", bool(known)
        if isinstance(value, dict) and "properties" in known:
            yield from paths(value, known, f"{path}.{name}")


def test_schema_and_defaults_have_the_same_keys() -> None:
    assert [path for path, known in paths(DEFAULTS, SCHEMA) if not known] == []

    def missing(schema: dict[str, Any], value: dict[str, Any], path: str = "") -> Iterator[str]:
        for name, raw in schema["properties"].items():
            if name not in value:
                yield f"{path}.{name}"
            elif "properties" in (inner := resolved(raw, SCHEMA)) and name not in ("resources", "pod"):
                yield from missing(inner, value[name], f"{path}.{name}")

    assert list(missing(SCHEMA, DEFAULTS)) == [".global"]


@pytest.mark.parametrize("name", FILES)
async def test_lint_finds_nothing(helm: Helm, name: str) -> None:
    said = await helm.run("lint", "--strict", str(CHART), *values(name))
    assert "[WARNING]" not in said
    assert "[ERROR]" not in said


def test_the_files_together_switch_on_every_value() -> None:
    """Each value that is off or empty by default is something else in at least one of our files."""
    said = [yaml.safe_load((VALUES / f"{name}.yaml").read_text()) for name in FILES]

    def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        if isinstance(node, dict) and node:
            for name, inner in node.items():
                yield from leaves(inner, (*path, name))
        elif not node:
            yield path

    def at(node: Any, path: tuple[str, ...]) -> Any:
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        return node

    # These are one template for all components; one component that says them is enough.
    shared = {"pod", "digest", "minAvailable"}
    unused = [path for path in leaves(DEFAULTS) if all(at(one, path) in (None, at(DEFAULTS, path)) for one in said)]
    assert [path for path in unused if path[-1] not in shared and path[-2:] != ("image", "tag")] == []


@pytest.mark.parametrize(
    "unknown",
    [
        "apiServer.replicas=2",
        "apiserver.replica=2",
        "apiserver.limits.maxJobs=2",
        "operator.replica=2",
        "pods.node=a",
        "apiserver.pod.node=a",
        "apiserver.nodeSelector.a=b",
        "s3.existingSecret.keys=a",
        "organizations[0].name=org-a,organizations[0].owner=me",
        "organizations[0].name=org-a,organizations[0].members[0].role=owner,organizations[0].members[0].email=me",
        "signIn.issuers[0].issuer=a,signIn.issuers[0].audience=b,signIn.issuers[0].keysUrl=https://a",
        "tolerations[0].key=a",
    ],
)
async def test_unknown_keys_are_refused(helm: Helm, unknown: str) -> None:
    with pytest.raises(HelmError, match=r"additional propert|additionalProperties"):
        await helm.template(*S3, "--set", unknown)


@pytest.mark.parametrize(("wrong", "message"), REFUSALS)
async def test_what_cannot_be_meant_is_refused(helm: Helm, wrong: str, message: str) -> None:
    with pytest.raises(HelmError, match=message):
        await helm.template(*S3, "--set", wrong)


def test_replicas_roll_only_where_they_share(rendered: dict[str, list[Object]]) -> None:
    strategies = {
        name: next(
            one["spec"]["strategy"]["type"]
            for one in objects
            if (one["kind"], one["metadata"]["name"]) == ("Deployment", "deplite-apiserver")
        )
        for name, objects in rendered.items()
    }
    assert strategies["smallest"] == "Recreate"
    assert {strategies[name] for name in ("trial", "production", "gateway", "ephemeral")} == {"RollingUpdate"}


def test_nothing_of_a_values_file_is_a_secret_in_a_pod(rendered: dict[str, list[Object]]) -> None:
    for template in (found for objects in rendered.values() for found in pods(objects).values()):
        entries = ours(template).get("env", [])
        assert all(set(entry) in ({"name", "value"}, {"name", "valueFrom"}) for entry in entries)


def test_notes_tell_the_next_commands() -> None:
    text = Path(CHART / "templates" / "NOTES.txt").read_text()
    assert "create token" in text
    assert "rollout status" in text
