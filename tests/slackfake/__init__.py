"""A Slack for tests: real HTTP on a loopback port, as strict as the real one where an app could be wrong.

    with serving() as slack:
        slack.url                                   # for DEPLITE_SLACK_URL
        slack.app.client_id, .client_secret, .signing_secret
        slack.environment(folder)                   # DEPLITE_SLACK_* for `deplite up`, the secrets in files there
        slack.app_url = "http://127.0.0.1:8000"     # where our apiserver is, once that is known
        team = slack.team                           # the first workspace; slack.add_team("T0OTHER") makes more
        team.channel("C0GENERAL")                   # public, without the bot; there are C0PRIVATE and C0ARCHIVED, too
        team.add_channel("C0WEB")                   # another one, with the bot in it
        page = slack.install(install_url)           # a browser: authorize, approve, callback (deny=True: refuse)

Speaking as Slack to the app (synchronous; where the app runs in the loop of the test: `await asyncio.to_thread(...)`).
Each returns a `Reply` (`status`, `text`, `json`):

    slack.command("run web main", user="U0ANN", channel="C0GENERAL")
    slack.press(message, "deplite_cancel", user="U0ANN")   # a button of a message, its value read from its blocks
    slack.mention("status", user="U0ANN", channel="C0GENERAL"); slack.open_home("U0ANN")
    slack.event({"type": "…"});  slack.again()              # `again` sends the last event once more, as Slack does
    slack.verify_url();  slack.uninstall();  slack.revoke() # removed by a person in Slack, with the events that follow
    slack.post("/slack/commands", raw, signature="v0=…", timestamp="…")   # anything, signed rightly unless told

What is there to see:

    team.messages("C0GENERAL") -> [Message(ts, text, blocks, edits, before, …)]
    message.said -> all its text;  message.button(action_id) -> the button or None
    team.direct("U0ANN") -> messages to that person;  team.whispered("U0ANN") -> [Whisper]: what that person alone saw
    team.homes[user] -> the view of a home tab
    slack.calls("chat.postMessage", outcome="ok") -> [Call(number, method, team, arguments, outcome, answer)]
    slack.wait(lambda: …)                           # polls until it is true
    slack.held("chat.postMessage")                  # how many calls hang now

Faults (each takes `method=None` for all of the web API, the OAuth exchange and the hooks, and `times=None` for always):

    slack.limit(times=3, retry_after=1)             # 429
    slack.pace("chat.postMessage", calls=1, seconds=1)      # a real window, by method, team and channel
    slack.fail(503);  slack.fail(200, body="<html>")        # no good answer; nothing is done
    slack.refuse("channel_not_found")               # ok: false
    slack.hang();  slack.delay(0.5)                 # holds the call, undone, until heal() or the end; or for a while
    slack.lose()                                    # does what was asked, and its answer is lost
    slack.down();  slack.up()                       # refuses connections
    slack.heal()                                    # no fault is left; what hangs is answered 503
"""

from tests.slackfake.ledger import Call
from tests.slackfake.server import FakeSlack, serving
from tests.slackfake.speaker import Reply
from tests.slackfake.workspace import Channel, Message, Team, Whisper

__all__ = ["Call", "Channel", "FakeSlack", "Message", "Reply", "Team", "Whisper", "serving"]
