"""Which way each condition of the templates goes: a copy of the chart that notes it while the real Helm renders it."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chart.chart import CHART, NAMESPACE, RELEASE, Helm

_CONDITION = re.compile(
    r"(?P<open>\{\{-?\s*)(?P<word>if|else if|with)\s(?P<condition>.*?)(?P<close>\s*-?\}\})", re.DOTALL
)
_COMMENT = re.compile(r"\{\{-? ?/\*.*?\*/ ?-?\}\}", re.DOTALL)
_REFUSAL = re.compile(r"\s*\{\{-?\s*fail\b")
_NOTED = "$.Values.global.branches"
_DUMP = f"""kind: Branches
metadata: {{name: branches}}
noted: {{{{ {_NOTED} | toJson }}}}
notes: {{{{ include "notes.of.the.test" . | toJson }}}}
later: {{{{ {_NOTED} | toJson }}}}
"""
"""Rendered after everything else, because its path is the shortest; the NOTES are rendered within it."""


@dataclass(frozen=True)
class Branch:
    """One condition."""

    file: str
    line: int
    condition: str
    refuses: bool
    """What follows is a refusal, so where it holds nothing is rendered."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.condition}"


class Branches:
    """A copy of the chart in a folder, and the conditions in it."""

    def __init__(self, folder: Path) -> None:
        self.found: list[Branch] = []
        self.rootless: set[str] = set()
        """The named templates with conditions that see no values of the release, so that nothing can be noted there."""
        self._chart = folder / "chart"
        shutil.copytree(CHART, self._chart)
        templates = self._chart / "templates"
        notes = templates / "NOTES.txt"
        (templates / "_notes.tpl").write_text(f'{{{{ define "notes.of.the.test" }}}}{notes.read_text()}{{{{ end }}}}')
        notes.unlink()
        for path in sorted(templates.rglob("*.*")):
            path.write_text("".join(self._noting(str(path.relative_to(templates)), path.read_text())))
        (templates / "zz.yaml").write_text(_DUMP)

    async def taken(self, helm: Helm, *arguments: str) -> set[tuple[Branch, bool]]:
        """Return which way conditions went when it was rendered."""
        empty = ("--set-json", 'global={"branches":{}}')
        said = await helm.run("template", RELEASE, str(self._chart), "--namespace", NAMESPACE, *empty, *arguments)
        noted = json.loads(next(line for line in said.splitlines() if line.startswith("later: ")).partition(" ")[2])
        return {(self.found[int(key.split()[0])], key.endswith("true")) for key in noted}

    def _noting(self, file: str, text: str) -> Iterator[str]:
        """Yield a template in pieces: whole named templates, or what lies between them."""
        line = 1
        for piece in re.split(r"(?=\{\{-? define )", text):
            name = re.match(r'\{\{-? define "([^"]+)"', piece)
            yield _CONDITION.sub(
                lambda one, piece=piece, line=line, name=name: self._note(one, piece, file, line, name), piece
            )
            line += piece.count("\n")

    def _note(self, one: re.Match[str], piece: str, file: str, line: int, name: re.Match[str] | None) -> str:
        root = _root(piece, named=name is not None and name[1] != "notes.of.the.test")
        if root is None:
            assert name is not None
            self.rootless.add(name[1])
            return one[0]
        number = len(self.found)
        refuses = _REFUSAL.match(piece, one.end()) is not None
        self.found.append(Branch(file, line + piece.count("\n", 0, one.start()), one["condition"], refuses))
        variable, sign, value = one["condition"].rpartition(":= ")
        note = f'set {root}.Values.global.branches (printf "{number} %t" (not (not ({value})))) 1'
        return f"{one['open']}{one['word']} {variable}{sign}(index (list ({value}) ({note})) 0){one['close']}"


def forced(folder: Path, template: str, word: str) -> Path:
    """Return a copy of the chart in which each condition of one named template is `true`, or `false`."""
    chart = folder / f"{template}-{word}"
    shutil.copytree(CHART, chart)
    for path in (chart / "templates").rglob("*.tpl"):
        pieces = re.split(r"(?=\{\{-? define )", path.read_text())
        path.write_text("".join(_forced(piece, word) if f'"{template}"' in piece[:80] else piece for piece in pieces))
    return chart


def _forced(piece: str, word: str) -> str:
    return _CONDITION.sub(lambda one: f"{one['open']}{one['word']} {word}{one['close']}", piece)


def _root(piece: str, *, named: bool) -> str | None:
    """Return how a template calls the root of the release; None: it is not given it."""
    code = _COMMENT.sub("", piece)
    if named and re.search(r"\$root := index [.$] 0|\(index [.$] 0\)\.|list \(index [.$] 0\)", code):
        return "(index $ 0)"
    return "$" if not named or re.search(r"[ (][.$]*\.(Values|Release|Chart)\b", code) else None
