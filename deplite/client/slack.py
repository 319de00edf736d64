"""Slack over the REST API: the workspaces of an organization, and the code that says there who one is."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from deplite.client.api import Api
from deplite.client.errors import RefusedError, SlackChoiceError

_TEAM = re.compile(r"T[A-Z0-9]{1,20}")
Workspace = Mapping[str, Any]


class Workspaces:
    """Those that a person's organization has connected."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._path = f"/orgs/{api.caller.organization}/slack/installations"

    def link(self, team: str | None) -> tuple[Workspace, str]:
        """Make a link code.

        Args:
            team: the workspace's id or name; None: the only one.

        Returns:
            The workspace, and what to type there.

        Raises:
            SlackChoiceError: it is not clear which workspace is meant, or none is connected.
            RefusedError: the server refuses.
            AwayError: it did not get through.
        """
        found = self._chosen(self._connected(), team)
        if not _TEAM.fullmatch(str(found.get("teamId"))):
            raise SlackChoiceError("The server's answer is not what it should be: is it of another version?")
        made = self._api.call("POST", f"{self._path}/{found['teamId']}/link-codes")
        return found, str(made["command"])

    def _connected(self) -> list[Workspace]:
        try:
            listed = self._api.call("GET", self._path)
        except RefusedError as error:
            if error.code != "not_found":
                raise
            organization = self._api.caller.organization
            raise SlackChoiceError(
                f"You are no member of {organization}, or there is no such organization: is DEPLITE_ORG_ID right?"
            ) from None
        return [one for one in listed or () if one.get("connected")]

    def _chosen(self, workspaces: Sequence[Workspace], team: str | None) -> Workspace:
        if not workspaces:
            raise SlackChoiceError(
                "No Slack workspace is connected to the organization: a member connects one with the address that "
                "`GET /orgs/:orgId/slack/install-url` gives."
            )
        names = ", ".join(f"{one.get('teamId')} ({one.get('teamName') or 'no name'})" for one in workspaces)
        if team is None and len(workspaces) > 1:
            raise SlackChoiceError(f"There is more than one workspace; say which with --team: {names}.")
        meant = [one for one in workspaces if team is None or team in (one.get("teamId"), one.get("teamName"))]
        if len(meant) != 1:
            raise SlackChoiceError(f"{'More than one' if meant else 'No'} workspace is called so. There are: {names}.")
        return meant[0]
