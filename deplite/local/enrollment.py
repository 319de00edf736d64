"""The identity of the agent that `deplite up` starts: enrolled on the first run, the same one on every later run."""

import shutil
import time
from dataclasses import dataclass, field

from deplite.local.api import Api
from deplite.local.errors import LocalError
from deplite.local.layout import Layout
from deplite.local.parts import AGENT_NAME

REVOKED = "revoked"
REPORT_SECONDS = 5.0
"""How long a connected agent may take to report its workflows."""


@dataclass(frozen=True)
class Enrollment:
    """Whether the agent of an earlier run goes on."""

    agent_id: str | None
    """The agent that goes on; None: it enrols now."""
    code: str | None = field(repr=False)
    """The enrolment code for that."""
    others: frozenset[str]
    """Ids of the organization's other agents."""


async def prepare(api: Api, layout: Layout, known: str | None) -> Enrollment:
    """Return how the agent starts, with a code where it has to enrol.

    Args:
        api: calls as the owner.
        layout: where the agent keeps its key.
        known: the agent's id of the last run.
    """
    listed = {agent["id"]: agent for agent in await api.agents()}
    if known in listed and listed[known]["status"] != REVOKED:
        return Enrollment(known, None, frozenset(listed) - {known})
    if known is not None:
        # Its organization does not know it any more, so its key is of no use to anybody.
        shutil.rmtree(layout.agent, ignore_errors=True)
        layout.make()
    # A first run that was cut short may have enrolled: the agent then goes on with the key it has, code or not.
    own = {agent_id for agent_id, agent in listed.items() if agent["name"] == AGENT_NAME}
    return Enrollment(None, await api.enrollment_code(AGENT_NAME), frozenset(listed) - own)


class AgentWatch:
    """Tells when the agent is connected and has reported the example workflow (or plainly will not: it was changed)."""

    def __init__(self, api: Api, enrollment: Enrollment, workflow: str) -> None:
        self._api = api
        self._enrollment = enrollment
        self._workflow = workflow
        self._connected_at: float | None = None
        self.agent_id = enrollment.agent_id
        """Known once it is connected."""

    async def ready(self) -> bool:
        """Look once; an apiserver that does not answer says no."""
        try:
            return await self._look()
        except LocalError:
            return False

    async def _look(self) -> bool:
        for agent in await self._api.agents():
            if self._is_ours(agent["id"]) and agent["status"] == "connected":
                self.agent_id = str(agent["id"])
                return self._workflow in await self._api.workflows(self.agent_id) or self._waited_enough()
        return False

    def _waited_enough(self) -> bool:
        if self._connected_at is None:
            self._connected_at = time.monotonic()
        return time.monotonic() - self._connected_at > REPORT_SECONDS

    def _is_ours(self, agent_id: str) -> bool:
        if self._enrollment.agent_id is not None:
            return agent_id == self._enrollment.agent_id
        return agent_id not in self._enrollment.others
