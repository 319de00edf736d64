"""Which workspaces are connected, and to which organization: what the local copy says.

A workspace belongs to one organization: that of its oldest connected SlackInstallation.
"""

from deplite.kube.cache import Cache
from deplite.resources.slackinstallation import SlackInstallation


class Installations:
    """All SlackInstallations, as far as they have come here."""

    def __init__(self, cache: Cache[SlackInstallation]) -> None:
        self._cache = cache

    def connected(self, team_id: str) -> SlackInstallation | None:
        """Return the one through which a workspace is served, whatever organization it belongs to."""
        found = [one for one in self._cache.by("team", team_id) if one.serves]
        return min(found, key=lambda one: one.age, default=None)

    def of(self, organization: str) -> list[SlackInstallation]:
        """Return an organization's, the oldest first."""
        return sorted(
            (one for one in self._cache.by("namespace", organization) if not one.ending), key=lambda one: one.age
        )

    def named(self, organization: str, team_id: str) -> SlackInstallation | None:
        """Return an organization's for a workspace, connected or not; of several, one that is connected."""
        found = [one for one in self.of(organization) if one.spec.team_id == team_id]
        return next((one for one in found if one.serves), found[0] if found else None)

    def the_one(self, organization: str, team_id: str | None) -> SlackInstallation | None:
        """Return the one through which an organization speaks to a workspace.

        Args:
            organization: the namespace.
            team_id: the workspace; None: the only one that the organization has connected.

        Returns:
            None where there is none, or more than one and `team_id` does not say which.
        """
        teams = {one.spec.team_id for one in self.of(organization) if one.serves} if team_id is None else {team_id}
        found = self.connected(next(iter(teams))) if len(teams) == 1 else None
        return found if found is not None and found.namespace == organization else None
