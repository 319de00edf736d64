"""Our images, made without Docker: the instructions of the Dockerfiles themselves are carried out, one by one.

    missing() -> str | None                     what this machine lacks, in one line
    await archives() -> {name: archive}         makes what is missing; several names may be in one archive
    await archives(groups=[SYSTEM])             only pause and CoreDNS

reader.py reads a Dockerfile, context.py its .dockerignore; plan.py makes layers of both, each with a key that changes
with all that goes into it; store.py makes the layers (inside.py, in namespaces of their own; base.py the first one;
wheels.py what RUN installs); pack.py writes the archives. `python -m tests.node.images` does all of it.
"""

from tests.node.images.archives import archives, missing
from tests.node.images.recipes import APPLICATION, GROUPS, RELEASE, SYSTEM

__all__ = ["APPLICATION", "GROUPS", "RELEASE", "SYSTEM", "archives", "missing"]
