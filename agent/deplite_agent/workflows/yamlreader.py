"""YAML as data only: no tags, no duplicate keys, and aliases cannot make a small file large."""

from collections.abc import Hashable
from typing import Any

import yaml

from deplite_agent.errors import WorkflowFileError

MAX_BYTES = 256 * 1024
MAX_ALIASES = 20


class _Loader(yaml.SafeLoader):
    """Refuses what would be read as something else than it looks like."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem=f"the tag `{event.tag}` is not allowed", problem_mark=event.start_mark)
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.MarkedYAMLError(problem=f"more than {MAX_ALIASES} aliases", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key_node.tag == "tag:yaml.org,2002:merge" and isinstance(value_node, yaml.SequenceNode):
                problem = "`<<` takes one mapping"  # of many it would make any number out of a few aliases
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key `{key}` is there twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """Return the document's value.

    Raises:
        WorkflowFileError: it is no YAML document, or not a plain one; the sentence names the line.
    """
    try:
        loader = _Loader(text)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        said = "a second document" if error.problem == "but found another document" else error.problem
        raise WorkflowFileError(f"{where}{said or 'this is not YAML'}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise WorkflowFileError(f"this is not YAML: {str(error).splitlines()[0][:200] or 'too deep'}") from None
    return value
