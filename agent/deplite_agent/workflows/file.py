"""From a file on this machine to a checked workflow."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deplite.protocol.params import ParamError, check_bounds, resolve
from deplite_agent.errors import WorkflowFileError
from deplite_agent.workflows.model import Workflow
from deplite_agent.workflows.yamlreader import MAX_BYTES, read_yaml


def load_workflow(path: Path) -> Workflow:
    """Read one file.

    Raises:
        WorkflowFileError: it cannot be read or is wrong; the sentence names file, place and what is wrong.
    """
    try:
        if path.exists() and not path.is_file():
            raise WorkflowFileError(f"{path}: this is no file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise WorkflowFileError(f"{path}: a workflow file has at most {MAX_BYTES} bytes")
        return parse_workflow(raw.decode("utf-8-sig"), path.stem)
    except WorkflowFileError as error:
        raise WorkflowFileError(f"{path}: {error}" if not str(error).startswith(str(path)) else str(error)) from None
    except UnicodeDecodeError:
        raise WorkflowFileError(f"{path}: this is not UTF-8 text") from None
    except OSError as error:
        raise WorkflowFileError(f"{path}: cannot be read ({error.strerror})") from None


def parse_workflow(text: str, default_name: str) -> Workflow:
    """Return the workflow that a file's text describes.

    Args:
        text: YAML.
        default_name: its name where the file gives none.

    Raises:
        WorkflowFileError: it is wrong; the sentence names place and what is wrong.
    """
    content = read_yaml(text)
    if not isinstance(content, dict):
        raise WorkflowFileError("a workflow file is a mapping with `name` and `steps`")
    try:
        workflow = Workflow.model_validate({"name": default_name} | content)
    except ValidationError as error:
        raise WorkflowFileError("; ".join(_sentences(error.errors()[:100])[:3])) from None
    _check_defaults(workflow)
    return workflow


def schema_of(workflow: Workflow) -> list[dict[str, Any]] | None:
    """Return the declared params as the protocol spells them; None where it declares none: then all pass through."""
    if workflow.params is None:
        return None
    return [_plain(param.model_dump(exclude_none=True)) for param in workflow.params]


def _check_defaults(workflow: Workflow) -> None:
    schema = [entry | {"required": False} for entry in schema_of(workflow) or ()]
    try:
        check_bounds(resolve({}, schema))
    except ParamError as error:
        raise WorkflowFileError(f"a default is wrong: {error}") from None


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """Spell whole numbers without a decimal point."""
    return {key: _whole(value) for key, value in entry.items()}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sentences(problems: Iterable[Any]) -> list[str]:
    """Return a sentence for each wrong place; of a place that is wrong within, only what is wrong there."""
    said: dict[str, list[str]] = {}
    for problem in problems:
        # Of a union each member complains: the tail of the place says which, and is of no use to a person.
        place = ".".join(str(part) for part in problem["loc"] if not _is_union_member(part))
        said.setdefault(place, []).append(_words(problem))
    wrong = {place: words for place, words in said.items() if not any(other.startswith(f"{place}.") for other in said)}
    return [f"{place}: {_one(words)}" if place else _one(words) for place, words in wrong.items()]


def _words(problem: Any) -> str:
    return _WORDS.get(problem["type"]) or str(problem["msg"]).removeprefix("Value error, ")


def _one(words: list[str]) -> str:
    if len(words) == 1 or _WORDS["finite_number"] in words:
        return words[0] if len(words) == 1 else _WORDS["finite_number"]
    return "this must be text, a number, true or false"


_WORDS: Mapping[str, str] = {
    "extra_forbidden": "there is no such key; see docs/workflow-file.md",
    "missing": "this is missing",
    "string_type": "this must be text",
    "tuple_type": "this must be a list",
    "mapping_type": "this must be a mapping",
    "model_type": "this must be a mapping",
    "finite_number": "this must be a finite number",
    "bool_type": "this must be true or false",
}


def _is_union_member(part: Any) -> bool:
    return isinstance(part, str) and (part in {"bool", "int", "float", "str", "constrained-str"} or "[" in part)
