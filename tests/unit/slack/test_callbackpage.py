"""The pages of the OAuth callback: whatever Slack calls a workspace is text."""

import pytest

from deplite_apiserver.slack.callbackpage import connected_page, refused_page

EVIL = "<img src=x onerror=alert(1)>&\"'"


@pytest.mark.parametrize("page", [connected_page(EVIL), refused_page(422, EVIL)])
def test_text_from_outside_is_escaped_and_nothing_may_run(page) -> None:  # type: ignore[no-untyped-def]
    text = bytes(page.body).decode()
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;" in text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "script" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"


def test_a_page_says_whether_loading_it_again_helps() -> None:
    away = refused_page(503, "Slack does not answer.", retry_after=5)
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    assert "Load this page again" in bytes(away.body).decode()
    final = refused_page(422, "No.")
    assert "retry-after" not in final.headers
    assert "Load this page again" not in bytes(final.body).decode()
