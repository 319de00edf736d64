"""What is said to the app in a message."""

import pytest

from deplite_apiserver.slack.events import after_mention


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<@U0BOT> run web", " run web"),
        ("<@U0BOT|deplite> run web", " run web"),
        ("please <@U0BOT> status", " status"),
        ("<@U0ANN> <@U0BOT> run web who=<@U0ANN>", " run web who=<@U0ANN>"),
        ("run web", "run web"),
    ],
)
def test_a_command_is_what_follows_the_name(text: str, said: str) -> None:
    assert after_mention(text, "U0BOT") == said


def test_where_the_name_is_not_known_it_is_the_first_one() -> None:
    assert after_mention("<@U0BOT> status", None) == " status"
