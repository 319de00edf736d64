import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.resources.credentials import mint
from deplite_apiserver.slack.mrkdwn import MASK, cleaned, code, code_block, escaped, masked, plain, sentence, units

TEXTS = st.text(st.sampled_from("&<>*_~`!@#|\n\r\t \x1b[]0m;\x07\x00\x9b\u202e\u200b\ud800éa1😀")) | st.text()
LIMITS = st.integers(min_value=12, max_value=200)
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----"
ENTITY = re.compile(r"&(?:amp|lt|gt);")


def unwanted(text: str) -> set[str]:
    return {one for one in ENTITY.sub("", text) if one in "&<>"}


@given(TEXTS, LIMITS)
def test_no_text_makes_a_mention_a_link_or_an_entity_of_its_own(text: str, limit: int) -> None:
    assert not unwanted(sentence(text, limit))
    assert not unwanted(code(text, limit))
    assert not unwanted(code_block(text, limit))


@given(TEXTS, LIMITS)
def test_nothing_is_longer_than_asked_for(text: str, limit: int) -> None:
    assert units(plain(text, limit)) <= limit
    assert units(sentence(text, limit)) <= limit
    assert units(code(text, limit)) <= limit
    assert units(code_block(text, limit)) <= limit


@given(TEXTS, LIMITS)
def test_no_text_ends_its_code(text: str, limit: int) -> None:
    assert code(text, limit).count("`") == 2
    assert code_block(text, limit).count("`") == 6
    assert "\n" not in code(text, limit)


@given(TEXTS)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", cleaned(text))
    cleaned(text).encode()


@given(st.text(alphabet="a*_~` b", max_size=30))
def test_a_sentence_formats_nothing(text: str) -> None:
    assert not re.search(r"`|(?<!\w)[*_~]|[*_~](?!\w)", sentence(text, 200))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mred\x1b[0mb", "aredb"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x9b2Jx\x00\x7f", "x"),
        ("ab\u202ec\u2028d", "abc\nd"),
        ("👩\u200d🚀", "👩\u200d🚀"),
    ],
)
def test_cleaned(text: str, expected: str) -> None:
    assert cleaned(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!channel> & <@U1|x>", "&lt;!channel&gt; &amp; &lt;@U1|x&gt;"),
        ("*bold* _it_ ~no~ `c`", "\u2217bold\u2217 \uff3fit\uff3f \u223cno\u223c \u02cbc\u02cb"),
        ("my_branch is 2*3", "my_branch is 2*3"),
        ("> quoted", "\u203a quoted"),
        ("a\n  b", "a b"),
        ("", ""),
    ],
)
def test_a_sentence_reads_as_it_was_written(text: str, expected: str) -> None:
    assert sentence(text, 100) == expected


def test_what_is_too_long_ends_in_an_ellipsis_and_never_within_an_entity() -> None:
    assert sentence("ab<cd", 6) == "ab…"
    assert sentence("ab<cd", 7) == "ab&lt;…"
    assert plain("😀😀😀", 4) == "😀…"
    assert code("abcdef", 6) == "`abc…`"


def test_empty_code_is_a_dash() -> None:
    assert (code(" \n", 10), code_block("\x00", 20)) == ("`-`", "```\n-\n```")


@pytest.mark.parametrize(
    "secret",
    [
        mint("tk").plain,
        mint("enr").plain,
        "lnk_2b7dE5fG8hJ1kL4m",
        "xoxb" + "-1234567890-abcdefABCDEF",
        "ghp_" + "a1" * 18,
        "github_pat_" + "11ABC" * 6,
        "glpat-" + "x" * 20,
        "AKIA" + "ABCDEFGH12345678",
        "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
        KEY,
        KEY[:50],
    ],
)
def test_secrets_whose_shape_is_known_are_masked(secret: str) -> None:
    assert masked(f"token={secret}") == f"token={MASK}"
    assert masked(f"({secret}").startswith(f"({MASK}")


def test_a_secret_in_colours_is_masked_too() -> None:
    token = mint("tk").plain
    assert sentence(f"{token[:9]}\x1b[1m{token[9:]}", 100) == sentence(MASK, 100)
    assert plain(f"{token[:9]}\u200b{token[9:]}", 100) == MASK


def test_credentials_of_headers_and_addresses_are_masked() -> None:
    assert masked("Authorization: Bearer abc.def-ghi") == f"Authorization: Bearer {MASK}"
    assert masked("postgres://bob:hunter2@db/x and https://git.example/a@b") == (
        f"postgres://{MASK}@db/x and https://git.example/a@b"
    )


def test_what_is_no_secret_stays() -> None:
    text = "task_queue of tk_1 at Bearer no, a stk_abcdefgh and commit 4b28d8188727"
    assert masked(text) == text


def test_escaped_is_what_slack_asks_for() -> None:
    assert escaped("a & b < c > d \"'") == "a &amp; b &lt; c &gt; d \"'"
