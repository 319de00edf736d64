"""Finds what travels beside the code: in a checkout at the root, in a wheel under `deplite/data`."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _find(packaged: str, checkout: str) -> Path:
    inside = _PACKAGE / "data" / packaged
    return inside if inside.is_dir() else _PACKAGE.parent / checkout


def crds() -> Path:
    """Return the folder of the CustomResourceDefinitions, one YAML file a kind."""
    return _find("crds", "crds")


def example_workflows() -> Path:
    """Return the folder of the example workflow files."""
    return _find("workflows", "examples/workflows")


def example_secrets() -> Path:
    """Return the folder of the placeholder secrets of the example workflows, one file a secret."""
    return _find("secrets", "examples/secrets")


def rights() -> Path:
    """Return the folder of the roles of each part, one YAML file a role."""
    return _PACKAGE / "rights"
