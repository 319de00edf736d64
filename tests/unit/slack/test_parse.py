"""What people type in Slack, and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.slack.parse import (
    MAX_CHARACTERS,
    Cancel,
    Command,
    Help,
    Link,
    Logs,
    Problem,
    Rerun,
    Run,
    Status,
    Triggers,
    Unlink,
    parse,
)
from deplite_apiserver.slack.words import plain


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", Help()),
        ("  \u00a0 ", Help()),
        ("help", Help()),
        ("help run", Help()),
        ("triggers", Triggers()),
        ("status", Status()),
        ("STATUS j-abcdef", Status(job="j-abcdef")),
        ("logs deploy-prod", Logs(job="deploy-prod")),
        ("log", Logs()),
        ("cancel j-abcdef", Cancel(job="j-abcdef")),
        ("stop", Cancel()),
        ("rerun j-abcdef", Rerun(job="j-abcdef")),
        ("link lnk_abc", Link(code="lnk_abc")),
        ("link `lnk_abc`", Link(code="lnk_abc")),
        ("unlink", Unlink()),
        ("run deploy", Run(trigger="deploy")),
        ("run deploy main", Run(trigger="deploy", ref="main")),
        ("run deploy k=v main", Run(trigger="deploy", ref="main", params={"k": "v"})),
        ("run deploy k=", Run(trigger="deploy", params={"k": ""})),
        ("run deploy k=a=b", Run(trigger="deploy", params={"k": "a=b"})),
        ('run "Deploy prod" main', Run(trigger="Deploy prod", ref="main")),
        ("run “Deploy prod” main", Run(trigger="Deploy prod", ref="main")),
        ("run deploy m=“two words”", Run(trigger="deploy", params={"m": "two words"})),
        ("run deploy 'm'=\"x\"", Run(trigger="deploy", params={"m": "x"})),
        ("run deploy m=don't", Run(trigger="deploy", params={"m": "don't"})),
        ("run deploy m=don’t", Run(trigger="deploy", params={"m": "don’t"})),
        (r'run deploy m="say \"hi\" \\ \n"', Run(trigger="deploy", params={"m": r'say "hi" \ \n'})),
        ('run deploy "a=b"', Run(trigger="deploy", ref="a=b")),
        ("run deploy `main`", Run(trigger="deploy", ref="main")),
        ("run\u00a0deploy\u202fmain\tk=v", Run(trigger="deploy", ref="main", params={"k": "v"})),
        ("run deploy\u200b \ufeffmain", Run(trigger="deploy", ref="main")),
        ("run deploy --debug", Run(trigger="deploy", debug=True)),
        ("run deploy —debug", Run(trigger="deploy", debug=True)),
        ("run any --workflow deploy-prod main", Run(trigger="any", workflow="deploy-prod", ref="main")),
        ("run any --workflow=deploy-prod", Run(trigger="any", workflow="deploy-prod")),
        ("run deploy '--debug'", Run(trigger="deploy", ref="--debug")),
        ("run deploy -rf", Run(trigger="deploy", ref="-rf")),
        ("run deploy m=a&amp;b&lt;c&gt;", Run(trigger="deploy", params={"m": "a&b<c>"})),
        ("run deploy m=&amp;lt;", Run(trigger="deploy", params={"m": "&lt;"})),
        ("run deploy host=<http://example.com|example.com>", Run(trigger="deploy", params={"host": "example.com"})),
        ("run deploy u=<https://x.test/?a=1&amp;b=2>", Run(trigger="deploy", params={"u": "https://x.test/?a=1&b=2"})),
        ("run deploy to=<mailto:a@example.com|a@example.com>", Run(trigger="deploy", params={"to": "a@example.com"})),
        ("run deploy a=<@U1|mika> b=<#C1|general>", Run(trigger="deploy", params={"a": "@mika", "b": "#general"})),
        ("run deploy who=<@U012AB>", Run(trigger="deploy", params={"who": "@U012AB"})),
    ],
)  # fmt: skip
def test_what_is_typed_is_what_is_meant(text: str, meant: Command) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("deploy now", "no such command"),
        ("run", "run TRIGGER"),
        ("run a b c", "run TRIGGER"),
        ("run ''", "run TRIGGER"),
        ("run deploy =x", "name=value"),
        ("run deploy k = v", "name=value"),
        ("run deploy k=1 k=2", "twice"),
        ("run deploy ref=main", "without a name"),
        ("run deploy --force", "--workflow NAME"),
        ("run deploy --debug=1", "--workflow NAME"),
        ("run deploy --workflow", "after `--workflow`"),
        ("run deploy --workflow=", "after `--workflow`"),
        ('run "deploy main', "not closed"),
        ("run deploy k=“v", "not closed"),
        ("status a b", "status [JOB]"),
        ("cancel a b", "cancel [JOB]"),
        ("logs a b", "logs [JOB]"),
        ("triggers all", "takes nothing else"),
        ("unlink me", "takes nothing else"),
        ("link", "link CODE"),
        ("link a b", "link CODE"),
        ("x" * (MAX_CHARACTERS + 1), "too long"),
    ],
)
def test_what_is_no_command_is_told_so(text: str, part: str) -> None:
    found = parse(text)
    assert isinstance(found, Problem)
    assert part in found.message


def test_a_url_with_another_label_is_itself() -> None:
    assert plain("<https://evil.test/x|https://good.test>") == "https://evil.test/x"


def test_no_code_is_in_a_representation() -> None:
    assert "lnk_secret" not in repr(parse("link lnk_secret"))


@given(st.text(max_size=300))
def test_every_text_has_a_meaning(text: str) -> None:
    parse(text)
    parse(f"run {text}")


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=10).filter(lambda name: name != "ref")


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quoted(text: str) -> str:
    marks = '"“”„‟'
    return '"' + "".join(f"\\{one}" if one in marks + "\\" else one for one in text) + '"'


@given(trigger=VALUES.filter(bool), ref=VALUES.filter(bool), params=st.dictionaries(NAMES, VALUES, max_size=5))
def test_whatever_is_quoted_arrives(trigger: str, ref: str, params: dict[str, str]) -> None:
    pairs = " ".join(f"{name}={quoted(value)}" for name, value in params.items())
    text = f"run {quoted(trigger)} {quoted(ref)} {pairs}"
    assert parse(escaped(text)) == Run(trigger=trigger, ref=ref, params=params)
