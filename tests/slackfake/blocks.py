"""Block Kit as Slack checks it, for the blocks an app of ours may send (docs.slack.dev/reference/block-kit). Pure."""

from typing import Any

MAX_IN_MESSAGE = 50
MAX_IN_HOME = 100
_MAX_ID = 255
_MAX_URL = 3000


def problems(blocks: Any, limit: int = MAX_IN_MESSAGE) -> list[str]:
    """Return what is wrong, each with its place, as Slack words it; nothing for good blocks."""
    if not isinstance(blocks, list):
        return ["must be an array [json-pointer:/blocks]"]
    if len(blocks) > limit:
        return [f"no more than {limit} items allowed [json-pointer:/blocks]"]
    found: list[str] = []
    for index, block in enumerate(blocks):
        _block(block, f"/blocks/{index}", found)
    _no_twice([block.get("block_id") for block in blocks if isinstance(block, dict)], "block_id", "/blocks", found)
    return found


def _block(block: Any, at: str, found: list[str]) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    check = _CHECKS.get(kind) if isinstance(kind, str) else None
    if check is None:
        found.append(f"unsupported type: {kind} [json-pointer:{at}/type]")
        return
    fields, doer = check
    _only(block, {"type", "block_id", *fields}, at, found)
    _length(block.get("block_id", "b"), 1, _MAX_ID, f"{at}/block_id", found)
    doer(block, at, found)


def _section(block: dict[str, Any], at: str, found: list[str]) -> None:
    if "text" not in block and "fields" not in block:
        found.append(f"missing required field: text [json-pointer:{at}]")
    if "text" in block:
        _text(block["text"], 3000, f"{at}/text", found)
    for index, field in enumerate(_items(block, "fields", 10, at, found)):
        _text(field, 2000, f"{at}/fields/{index}", found)
    if "accessory" in block:
        _button(block["accessory"], f"{at}/accessory", found)


def _header(block: dict[str, Any], at: str, found: list[str]) -> None:
    _text(block.get("text"), 150, f"{at}/text", found, plain=True)


def _context(block: dict[str, Any], at: str, found: list[str]) -> None:
    for index, element in enumerate(_items(block, "elements", 10, at, found, needed=True)):
        _text(element, 3000, f"{at}/elements/{index}", found)


def _actions(block: dict[str, Any], at: str, found: list[str]) -> None:
    elements = _items(block, "elements", 25, at, found, needed=True)
    for index, element in enumerate(elements):
        _button(element, f"{at}/elements/{index}", found)
    _no_twice([element.get("action_id") for element in elements if isinstance(element, dict)], "action_id", at, found)


def _divider(_block: dict[str, Any], _at: str, _found: list[str]) -> None:
    return None


def _button(element: Any, at: str, found: list[str]) -> None:
    if not isinstance(element, dict) or element.get("type") != "button":
        found.append(f"unsupported element [json-pointer:{at}]")
        return
    known = {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}
    _only(element, known, at, found)
    _text(element.get("text"), 75, f"{at}/text", found, plain=True)
    _length(element.get("action_id", "a"), 1, _MAX_ID, f"{at}/action_id", found)
    _length(element.get("value", "v"), 1, 2000, f"{at}/value", found)
    _length(element.get("accessibility_label", "l"), 1, 75, f"{at}/accessibility_label", found)
    url = element.get("url", "https://x")
    _length(url, 1, _MAX_URL, f"{at}/url", found)
    if not str(url).startswith(("http://", "https://")):
        found.append(f"invalid url [json-pointer:{at}/url]")
    if element.get("style", "primary") not in ("primary", "danger"):
        found.append(f"invalid style [json-pointer:{at}/style]")
    if "confirm" in element:
        _confirm(element["confirm"], f"{at}/confirm", found)


def _confirm(confirm: Any, at: str, found: list[str]) -> None:
    if not isinstance(confirm, dict):
        found.append(f"must be an object [json-pointer:{at}]")
        return
    _only(confirm, {"title", "text", "confirm", "deny", "style"}, at, found)
    _text(confirm.get("title"), 100, f"{at}/title", found, plain=True)
    _text(confirm.get("text"), 300, f"{at}/text", found)
    _text(confirm.get("confirm"), 30, f"{at}/confirm", found, plain=True)
    _text(confirm.get("deny"), 30, f"{at}/deny", found, plain=True)
    if confirm.get("style", "primary") not in ("primary", "danger"):
        found.append(f"invalid style [json-pointer:{at}/style]")


def _text(text: Any, limit: int, at: str, found: list[str], *, plain: bool = False) -> None:
    if not isinstance(text, dict):
        found.append(f"must be a text object [json-pointer:{at}]")
        return
    kind = text.get("type")
    if kind not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
        found.append(f"unsupported type: {kind} [json-pointer:{at}/type]")
    _only(text, {"type", "text", "emoji" if kind == "plain_text" else "verbatim"}, at, found)
    _length(text.get("text"), 1, limit, f"{at}/text", found)


def _items(
    block: dict[str, Any], name: str, limit: int, at: str, found: list[str], *, needed: bool = False
) -> list[Any]:
    items = block.get(name, [] if not needed else None)
    if not isinstance(items, list) or (name in block and not items):
        found.append(f"must be a filled array [json-pointer:{at}/{name}]")
        return []
    if len(items) > limit:
        found.append(f"no more than {limit} items allowed [json-pointer:{at}/{name}]")
    return items


def _length(value: Any, least: int, most: int, at: str, found: list[str]) -> None:
    if not isinstance(value, str):
        found.append(f"must be a string [json-pointer:{at}]")
    elif len(value) < least:
        found.append(f"must be more than {least - 1} characters [json-pointer:{at}]")
    elif len(value) > most:
        found.append(f"must be less than {most + 1} characters [json-pointer:{at}]")


def _only(value: dict[str, Any], known: set[str], at: str, found: list[str]) -> None:
    found.extend(f"additional property: {name} [json-pointer:{at}]" for name in value if name not in known)


def _no_twice(names: list[Any], what: str, at: str, found: list[str]) -> None:
    given = [name for name in names if name is not None]
    if len(set(given)) < len(given):
        found.append(f"{what} already exists [json-pointer:{at}]")


_CHECKS = {
    "section": ({"text", "fields", "accessory", "expand"}, _section),
    "header": ({"text"}, _header),
    "context": ({"elements"}, _context),
    "actions": ({"elements"}, _actions),
    "divider": (set[str](), _divider),
}
