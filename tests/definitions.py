"""Applies our CustomResourceDefinitions to a control plane, as `deplite up` does, and waits until they are served."""

import asyncio
import ssl

import yaml

from deplite import assets
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from deplite.local.probe import ask_port


async def apply_definitions(plane: ControlPlane) -> None:
    """Return once each kind can be listed."""
    definitions = [yaml.safe_load(path.read_text()) for path in sorted(assets.crds().glob("*.yaml"))]
    cluster = await Cluster.connect(plane.kubeconfig)
    try:
        await cluster.apply_all(definitions)
        await cluster.wait_established([definition["metadata"]["name"] for definition in definitions])
    finally:
        await cluster.close()
    await asyncio.gather(*(_served(plane, definition["spec"]) for definition in definitions))


async def _served(plane: ControlPlane, spec: dict) -> None:  # type: ignore[type-arg]
    # For about a second after Established the API server may answer 429 `storage is (re)initializing`, or 404.
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}?limit=1"
    tls = ssl.create_default_context(cafile=str(plane.credentials.authority))
    headers = {"Authorization": f"Bearer {plane.credentials.admin_token()}"}
    for _ in range(200):
        if (await ask_port(plane.port, path, tls=tls, headers=headers)).status == 200:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{path} is not served")
