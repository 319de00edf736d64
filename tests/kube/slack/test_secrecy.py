"""What is written while people use Slack, at the level debug: no secret, no address of Slack's, no text of people's."""

import asyncio
import logging

import pytest

from tests.kube.slack.shop import ANN, Shop

TESTS_OWN = ("httpx", "httpcore", "urllib3", "tests", "uvicorn.access")
"""Loggers of those who call the server here, and one that has no handler but pytest's (`access_log=False`)."""


def written(caplog: pytest.LogCaptureFixture) -> str:
    records = [record for record in caplog.records if not record.name.startswith(TESTS_OWN)]
    return "\n".join(f"{record.getMessage()} {record.exc_text or ''} {vars(record)}" for record in records)


async def test_nothing_secret_is_written(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    slack, team = shop.office.slack, shop.office.team
    with caplog.at_level(logging.DEBUG):
        assert (await shop.office.install()).status_code == 200
        code = await shop.code()
        await shop.say(f"link {code}")
        await shop.say("run deploy note=hunter2")
        job = await shop.ran("run deploy hunter2")
        before = len(team.whispered(ANN))
        await shop.press("deplite_cancel", job.name)
        await shop.whispered(before + 1)
        for url in ("https://evil.test/hunter2", "https://\u2100.test/hunter2", "http://[::1/hunter2"):
            await shop.press("deplite_cancel", job.name, response_url=url)
        slack.fail(503, method="hooks")
        await shop.press("deplite_cancel", job.name)
        await asyncio.to_thread(slack.wait, lambda: bool(slack.calls("hooks", "503")))
        await asyncio.to_thread(slack.wait, lambda: written(caplog).count("slack_chore_failed") >= 4)
        token = await shop.office.token()
    text = written(caplog)
    app = slack.app
    for secret in (
        token,
        "xoxb-",
        app.client_secret,
        app.signing_secret,
        code,
        "lnk_",
        "/hooks/",
        "hunter2",
        "state=ey",
    ):
        assert secret not in text, secret[:8]
