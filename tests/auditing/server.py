"""The real kube-apiserver with an audit log: a folder of programs, for `KUBEBUILDER_ASSETS`.

The one in it is a script that becomes the real program with five arguments more. So it reaches also the control planes
that `deplite up` starts, and the product knows nothing of it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from deplite.local.accounts import SYSTEM_NAMESPACE
from deplite.rights import PARTS, account_name

MEGABYTES = 8
"""Of one log file; a full one is put aside, folded and removed between two tests."""
NAME = "kube-apiserver"


def lay_out(folder: Path, programs: Mapping[str, Path]) -> None:
    """Fill an empty folder with the programs, kube-apiserver with its audit log; the logs go to `folder/logs`."""
    (folder / "logs").mkdir(parents=True)
    (folder / "policy.json").write_text(json.dumps(_policy()))
    for name, program in programs.items():
        if name != NAME:
            (folder / name).symlink_to(program)
    arguments = [
        f"--audit-policy-file={quote(str(folder / 'policy.json'))}",
        # A name that is nobody else's: in namespaces of their own two servers may have one process id.
        f"--audit-log-path={quote(str(folder / 'logs'))}/$(mktemp -u XXXXXXXXXX).log",
        f"--audit-log-maxsize={MEGABYTES}",
        "--audit-log-maxbackup=0",  # none is removed by it
    ]
    script = folder / NAME
    script.write_text(f'#!/bin/sh\nexec {quote(str(programs[NAME]))} "$@" {" ".join(arguments)}\n')
    script.chmod(0o755)


def full_logs(folder: Path) -> list[Path]:
    """Return the log files that nobody writes any more: a time is in their names."""
    return [path for path in (folder / "logs").glob("*.log") if "-" in path.name]


def logs(folder: Path) -> list[Path]:
    """Return all log files."""
    return list((folder / "logs").glob("*.log"))


def _policy() -> dict[str, object]:
    users = [f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account_name(part)}" for part in PARTS]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],  # one event a request, and one when a watch begins
        "rules": [{"level": "Metadata", "users": users}, {"level": "None"}],
    }
