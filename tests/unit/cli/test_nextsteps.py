import shlex
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from deplite.cli.nextsteps import show
from deplite.local.layout import Layout
from deplite.local.up import Summary


@pytest.mark.parametrize("name", ["data", "my data", "it's [bold]"])
def test_the_commands_can_be_copied_whatever_the_folder_is_called(name: str, tmp_path: Path) -> None:
    layout = Layout.at(tmp_path / name)
    console = Console(file=StringIO(), width=80)
    summary = Summary(
        layout=layout,
        url="http://127.0.0.1:1",
        organization="org-demo",
        kubeconfig=layout.root / "kubeconfig",
        webhook=None,
        jwt="x",
    )
    show(console, summary, detached=True)
    assert isinstance(console.file, StringIO)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    [source] = [line for line in lines if line.startswith(". ")]
    assert shlex.split(source) == [".", str(layout.env)]
    [down] = [line for line in lines if " down " in line]
    assert shlex.split(down)[-2:] == ["--data", str(layout.root)]
