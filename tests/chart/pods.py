"""What a pod of ours sees: its environment and the files of its settings, laid out in a folder instead."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.chart.chart import NAMESPACE, Object, environment, of_kind, pods

SETTINGS = "/etc/deplite/"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"
AUTHORITY = next(
    path for path in map(Path, ("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem")) if path.exists()
)


def mounted(objects: list[Object], folder: Path, secrets: Mapping[str, Path] | None = None) -> dict[str, str]:
    """Return the environment of the apiserver, whose files are in a folder.

    Args:
        objects: what the chart renders to.
        folder: takes the place of /etc/deplite.
        secrets: the content of a Secret's files, by their path below; others hold some text, or some authorities.
    """
    template = pods(objects)["deplite-apiserver"]
    for path, text in _files(objects, template, secrets or {}):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.replace(SETTINGS, f"{folder}/"))
    return {
        name: f"{folder}/{value.removeprefix(SETTINGS)}" if value.startswith(SETTINGS) else value
        for name, value in environment(template).items()
    }


def _files(objects: list[Object], template: Object, secrets: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    (volume,) = (one for one in template["spec"]["volumes"] if one["name"] == "settings")
    maps = of_kind(objects, "ConfigMap")
    for source in volume["projected"]["sources"]:
        if "configMap" in source:
            yield from maps[f"{NAMESPACE}/{source['configMap']['name']}"]["data"].items()
            continue
        for item in source["secret"]["items"]:
            path = item["path"]
            if path.endswith(".crt"):
                yield path, AUTHORITY.read_text()
            else:
                yield path, secrets[path].read_text() if path in secrets else "a-secret"
