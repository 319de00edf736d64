"""What is kept twice is the same twice: kinds, rights, the schema's two forms, the table of values."""

import tomllib
from pathlib import Path

import yaml

from charts.generated import files
from deplite.rights import cluster_manifests, organization_manifests
from tests.chart.chart import CHART, NAMESPACE, Object, of_kind
from tests.chart.helm import program

ROOT = CHART.parents[1]


def test_generated_files_are_as_they_would_be_written() -> None:
    assert [str(path) for path, text in files().items() if path.read_text() != text] == []


def test_nothing_else_lies_among_the_copies() -> None:
    there = {path for path in (CHART / "files").rglob("*") if path.is_file()}
    assert there == {path for path in files() if path.is_relative_to(CHART / "files")}


def test_kinds_are_rendered_as_they_are(rendered: dict[str, list[Object]]) -> None:
    ours = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    kinds = of_kind(rendered["smallest"], "CustomResourceDefinition")
    assert {name: kind["spec"] for name, kind in kinds.items()} == {o["metadata"]["name"]: o["spec"] for o in ours}
    assert {kind["metadata"]["annotations"]["helm.sh/resource-policy"] for kind in kinds.values()} == {"keep"}
    assert of_kind(rendered["gateway"], "CustomResourceDefinition") == {}
    mortal = of_kind(rendered["ephemeral"], "CustomResourceDefinition")
    assert not any("annotations" in kind["metadata"] for kind in mortal.values())


def _bare(found: Object) -> Object:
    """Without the labels that Helm's objects have and others have not."""
    metadata = dict(found["metadata"])
    ours = {
        name: value
        for name, value in metadata.pop("labels", {}).items()
        if name.startswith("rbac.authorization.k8s.io/")
    }
    return found | {"metadata": metadata | ({"labels": ours} if ours else {})}


def test_rights_are_those_of_deplite_up(rendered: dict[str, list[Object]]) -> None:
    kinds = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    found = [_bare(one) for one in rendered["production"] if one["kind"] in kinds]
    organizations = ("org-shop", "org-there")
    wanted = cluster_manifests(NAMESPACE)
    wanted += [one for name in organizations for one in organization_manifests(name, NAMESPACE)]
    assert sorted(found, key=str) == sorted(map(_bare, wanted), key=str)


def test_the_version_is_that_of_the_program() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_helm_is_built_from_the_version_that_is_stamped() -> None:
    module = (Path(program.__file__).parent / "go.mod").read_text()
    assert f"helm.sh/helm/v4 v{program.VERSION} " in module
    assert f"-X helm.sh/helm/v4/internal/version.version=v{program.VERSION} " in program.RECIPE.linker
