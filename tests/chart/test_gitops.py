"""The example of an organization in Git declares for it just what the chart would."""

from pathlib import Path
from typing import Any

import yaml

from deplite.rights import organization_manifests
from tests.chart.chart import NAMESPACE, Helm, Object, of_kind

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "gitops"
FLUX = ROOT / "examples" / "flux"


def declared() -> list[Object]:
    return [found for path in sorted(EXAMPLE.glob("*.yaml")) for found in yaml.safe_load_all(path.read_text())]


def bare(objects: dict[str, Object]) -> dict[str, Any]:
    """Return the objects without labels and annotations, which say who made them."""
    kept = {name: found | {"metadata": dict(found["metadata"])} for name, found in objects.items()}
    for found in kept.values():
        for mark in ("labels", "annotations"):
            found["metadata"].pop(mark, None)
    return kept


async def test_the_chart_makes_the_same_of_the_same_organization(helm: Helm, tmp_path: Path) -> None:
    ours = declared()
    (organization,) = of_kind(ours, "Organization").values()
    name = organization["metadata"]["namespace"]
    values = {"organizationObjects": "always", "organizations": [{"name": name} | organization["spec"]]}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    said = ("--set", "s3.endpoint=https://s3.example.com", "--set", "s3.existingSecret.name=s3")
    theirs = await helm.template("--values", str(tmp_path / "values.yaml"), *said)
    for kind in ("Namespace", "Organization", "ResourceQuota", "RoleBinding"):
        found = {key: one for key, one in of_kind(theirs, kind).items() if key == name or key.startswith(f"{name}/")}
        assert bare(of_kind(ours, kind)) == bare(found)
        assert len(found) == (3 if kind == "RoleBinding" else 1)
    enforced = "pod-security.kubernetes.io/enforce"
    assert {of_kind(objects, "Namespace")[name]["metadata"]["labels"][enforced] for objects in (ours, theirs)} == {
        "restricted"
    }


def test_the_rolebindings_are_those_of_the_parts() -> None:
    ours = list(bare(of_kind(declared(), "RoleBinding")).values())
    assert ours == organization_manifests("org-shop", NAMESPACE)


async def test_flux_makes_the_organizations_after_their_kind(helm: Helm, tmp_path: Path) -> None:
    release, organizations = yaml.safe_load_all((FLUX / "deplite.yaml").read_text())
    assert organizations["spec"]["dependsOn"] == [{"name": release["metadata"]["name"]}]
    assert release["spec"]["wait"] is True
    source, chart = yaml.safe_load_all((ROOT / release["spec"]["path"] / "release.yaml").read_text())
    assert chart["spec"]["chart"]["spec"]["sourceRef"] == {"kind": source["kind"], "name": source["metadata"]["name"]}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(chart["spec"]["values"]))
    made = await helm.template("--values", str(tmp_path / "values.yaml"))
    assert of_kind(made, "Organization") == {}
    declared = [yaml.safe_load(path.read_text()) for path in (ROOT / organizations["spec"]["path"]).iterdir()]
    namespaces = {one["metadata"]["namespace"] for one in declared if one["kind"] == "Organization"}
    assert namespaces == {name for name in of_kind(made, "Namespace") if name.startswith("org-")} == {"org-demo"}
