"""What a list of jobs may be asked for."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from deplite.resources.resource import utc
from deplite_apiserver.edge.body import Closed
from deplite_apiserver.edge.moments import Moment
from deplite_apiserver.edge.pages import DEFAULT_LIMIT, MAX_LIMIT
from deplite_apiserver.jobs.listing import Wanted


class JobQuery(Closed):
    """The query of `GET /orgs/:orgId/jobs`."""

    trigger: Annotated[str, Field(pattern=r"^tr-[a-z2-7]{16}$")] | None = None
    agent: Annotated[str, Field(pattern=r"^ag-[a-z2-7]{16}$")] | None = None
    status: Annotated[
        list[Literal["queued", "running", "success", "failed"]], Field(max_length=4, default_factory=list)
    ]
    """May be there several times."""
    since: Moment | None = None
    """Queued at this moment or later."""
    until: Moment | None = None
    """Queued before this moment."""
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str, Field(max_length=2048)] | None = None

    def wanted(self) -> Wanted:
        """Return what the listing is asked for."""
        return Wanted(
            trigger_id=self.trigger,
            agent_id=self.agent,
            statuses=frozenset(self.status),
            since=self.since,
            until=self.until,
        )

    def filters(self) -> dict[str, Any]:
        """Return what the next page's query begins with."""
        found = self.model_dump(exclude={"cursor"}, exclude_defaults=True) | {"limit": self.limit}
        return {name: utc(value) if isinstance(value, datetime) else value for name, value in found.items()}
