"""Where this machine takes Debian's packages from, and how a system is made of them."""

import re
from pathlib import Path

MMDEBSTRAP = ("unshare", "--mount", "mmdebstrap", "--mode=root")
"""It mounts in the folder that it fills: where nobody else sees it, for there are tests that look at all mounts."""
_APT = Path("/etc/apt")


def sources(suite: str, apt: Path = _APT) -> list[Path]:
    """Return the files that say where the packages of a release are, e.g. of `bookworm`."""
    folder = apt / "sources.list.d"
    files = [apt / "sources.list", *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]
    return [file for file in files if file.is_file() and re.search(rf"(?m)(^|\s){suite}(\s|$)", file.read_text())]
