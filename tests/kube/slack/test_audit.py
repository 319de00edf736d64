"""The audit record of what happens at Slack: who did it, and no secret."""

from deplite_apiserver.settings import Settings
from tests.kube.edge.people import ISSUER
from tests.kube.edge.trails import recorded
from tests.kube.slack.conftest import Office


async def test_who_connected_and_who_disconnected(office: Office, settings: Settings) -> None:
    back = await office.approved()
    assert (await office.http.get(back)).status_code == 200
    assert (await office.http.get(back)).status_code == 400  # which changes nothing, and is not recorded
    assert (await office.call("DELETE", f"installations/{office.team.id}", by="olga")).status_code == 204
    records = await recorded(office.replica, settings, office.namespace)
    assert [(one["action"], one["who"], one["outcome"]) for one in records] == [
        ("slack.connected", {"kind": "user", "id": f"{ISSUER}#mika"}, "done"),
        ("slack.disconnected", {"kind": "user", "id": f"{ISSUER}#olga"}, "done"),
    ]
    assert all(one["object"] == {"kind": "SlackInstallation", "id": office.team.id} for one in records)
    text = repr(records)
    assert office.slack.token(office.team) not in text
    assert back.rpartition("state=")[2] not in text
