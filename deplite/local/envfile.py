"""DIR/env: what a shell sources to call this Deplite."""

import shlex
from collections.abc import Mapping

from deplite.local.layout import Layout, write_private


def write_env(layout: Layout, variables: Mapping[str, str]) -> None:
    """Write the variables, 0600, so that any POSIX shell reads them as they are."""
    lines = [f"# For a shell: . {layout.env}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    write_private(layout.env, "\n".join(lines) + "\n")
