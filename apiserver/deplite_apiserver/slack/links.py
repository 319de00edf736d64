"""Which Slack user is which member: codes that make links, and links. Each change is one compare-and-swap.

Only a hash of a code is stored, in the status of the workspace's SlackInstallation, beside the links: taking a code
removes it and sets the link in one write, so of two who take it at once one does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from deplite.failpoints import failpoint
from deplite.kube.errors import NotFoundError as KubeNotFoundError
from deplite.kube.swap import swap
from deplite.resources.credentials import describe, mint, well_formed
from deplite.resources.resource import Resource
from deplite.resources.slackinstallation import LinkCode, SlackInstallation, SlackLink
from deplite_apiserver.auth.callers import UserCaller
from deplite_apiserver.errors import NotFoundError, QuotaExceededError

CODE_LIFE = timedelta(minutes=10)
MAX_CODES, MAX_LINKS = 50, 500


class FullError(Exception):
    """A workspace has as many links as it may have."""


class BadCodeError(Exception):
    """The code is unknown, used or too old."""


class InstallationStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[SlackInstallation], namespace: str, name: str) -> SlackInstallation:
        """Return the installation."""

    async def patch_status(
        self,
        kind: type[SlackInstallation],
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        version: str | None = None,
    ) -> SlackInstallation:
        """Merge into its status where `version` is still the present one."""


@dataclass(frozen=True, kw_only=True)
class Minted:
    """A fresh code; its plain text is shown once and stored nowhere."""

    plain: str = field(repr=False)
    ends: datetime


_Change = Callable[[SlackInstallation], dict[str, Any] | None]


class Links:
    """The one writer of `status.linkCodes` and `status.links`."""

    def __init__(self, store: InstallationStore, note: Callable[[Resource], None], now: Callable[[], datetime]) -> None:
        """Make it.

        Args:
            store: where installations are.
            note: is told each one that was written.
            now: the present moment in UTC.
        """
        self._store, self._note, self._now = store, note, now

    async def mint(self, installation: SlackInstallation, caller: UserCaller) -> Minted:
        """Make a code for a member; an older one of theirs is good no more.

        Raises:
            QuotaExceededError: fifty others have a code that was not used yet.
            NotFoundError: the workspace was disconnected.
            KubeError: nothing was stored.
        """
        code, ends = mint("lnk"), self._now() + CODE_LIFE
        fresh = LinkCode(sha256=code.sha256, issuer=caller.issuer, subject=caller.subject, not_after=ends)

        def change(found: SlackInstallation) -> dict[str, Any]:
            others = [one for one in self._good(found) if _member(one) != _member(fresh)]
            if len(others) >= MAX_CODES:
                self._refuse(others)
            return {"linkCodes": [one.wire() for one in [*others, fresh]]}

        await self._swap(installation, change)
        return Minted(plain=code.plain, ends=ends)

    def of_code(self, installation: SlackInstallation, plain: str) -> LinkCode | None:
        """Return what a code stands for, if it is good."""
        if not well_formed(plain, "lnk"):
            return None
        sha256 = describe(plain).sha256
        return next((one for one in self._good(installation) if one.sha256 == sha256), None)

    async def take(
        self,
        installation: SlackInstallation,
        plain: str,
        user_id: str,
        admit: Callable[[LinkCode], None],
        counts: Callable[[SlackLink], bool],
    ) -> LinkCode:
        """Use a code up: from now on the Slack user is the member whom it was made for.

        Args:
            installation: the workspace.
            plain: the code.
            user_id: the Slack user.
            admit: raises where that member may not be linked.
            counts: whether a link is to somebody who is still a member; where there is no room, the others go.

        Raises:
            BadCodeError: it is not good.
            FullError: the workspace has too many links.
            NotFoundError: the workspace was disconnected.
            KubeError: it is not known whether it was stored, where no answer came; else it was not.
        """
        taken: list[LinkCode] = []

        def change(found: SlackInstallation) -> dict[str, Any]:
            code = self.of_code(found, plain)
            if code is None:
                raise BadCodeError
            admit(code)
            links = [one for one in found.status.links if one.user_id != user_id]
            if len(links) >= MAX_LINKS:
                links = [one for one in links if counts(one)]
            if len(links) >= MAX_LINKS:
                raise FullError
            taken[:] = [code]
            link = SlackLink(user_id=user_id, issuer=code.issuer, subject=code.subject, linked_at=self._now())
            left = [one for one in self._good(found) if one != code]
            return {"linkCodes": [one.wire() for one in left], "links": [one.wire() for one in [*links, link]]}

        await self._swap(installation, change)
        return taken[0]

    async def remove(self, installation: SlackInstallation, user_id: str) -> bool:
        """Undo a user's link; says whether there was one. Errors as `take`."""

        def change(found: SlackInstallation) -> dict[str, Any] | None:
            left = [one for one in found.status.links if one.user_id != user_id]
            return None if len(left) == len(found.status.links) else {"links": [one.wire() for one in left]}

        return await self._swap(installation, change)

    async def _swap(self, installation: SlackInstallation, change: _Change) -> bool:
        """Write what `change` makes of the newest state; false where it wants nothing written."""

        async def write(found: SlackInstallation) -> bool:
            if (body := change(found)) is None:
                return False
            failpoint("apiserver.slack.linking")
            version = found.metadata.resource_version
            try:
                self._note(await self._store.patch_status(SlackInstallation, *found.key, body, version=version))
            except KubeNotFoundError:
                raise NotFoundError from None
            return True

        return await swap(lambda: self._present(installation), write)

    async def _present(self, installation: SlackInstallation) -> SlackInstallation:
        try:
            found = await self._store.get(SlackInstallation, *installation.key)
        except KubeNotFoundError:
            raise NotFoundError from None
        if found.metadata.uid != installation.metadata.uid:
            raise NotFoundError
        return found

    def _good(self, installation: SlackInstallation) -> list[LinkCode]:
        now = self._now()
        return [one for one in installation.status.link_codes if one.not_after > now]

    def _refuse(self, others: list[LinkCode]) -> None:
        seconds = (min(one.not_after for one in others) - self._now()).total_seconds()
        extra = {"error": "quota_exceeded", "scope": "slack_link_codes", "limit": MAX_CODES, "observed": len(others)}
        message = f"{MAX_CODES} codes of this workspace wait to be used: no more are made until one is, or ends."
        raise QuotaExceededError(message, retry_after=max(1, int(seconds) + 1), extra=extra)


def link_of(installation: SlackInstallation, user_id: str) -> SlackLink | None:
    """Return a Slack user's link."""
    return next((one for one in installation.status.links if one.user_id == user_id), None)


def _member(code: LinkCode) -> tuple[str, str]:
    return code.issuer, code.subject
