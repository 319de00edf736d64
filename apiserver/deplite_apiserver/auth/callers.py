"""The kinds of caller that a request can turn out to have."""

import math
from dataclasses import dataclass, field
from typing import Literal

from deplite.resources import Agent, AgentPool, ApiToken, EnrollmentToken
from deplite.resources.agent import AgentPod
from deplite.resources.identifiers import object_id


@dataclass(frozen=True, kw_only=True)
class UserCaller:
    """A person with a verified JWT; membership is looked up for each organization asked about."""

    issuer: str
    subject: str
    name: str = ""
    expires_at: float = field(default=math.inf, compare=False)
    """Unix seconds at which the JWT ends."""

    @property
    def id(self) -> str:
        """Who it is: the same subject at two issuers is two people."""
        return f"{self.issuer}#{self.subject}"


@dataclass(frozen=True, kw_only=True)
class TokenCaller:
    """An API token that is good at this moment."""

    token: ApiToken
    prefix: str
    """The public beginning of the spelling that was shown."""

    @property
    def organization(self) -> str:
        """The organization that the token belongs to."""
        return self.token.namespace

    @property
    def id(self) -> str:
        """The token's id."""
        return object_id("tok", self.token.namespace, self.token.name)


@dataclass(frozen=True, kw_only=True)
class AgentCaller:
    """An agent whose signature verified."""

    agent: Agent
    instance: str | None
    """The agent's process (`X-Deplite-Instance`); None for clients that do not say."""
    timestamp: int
    """Unix seconds that the agent signed."""
    nonce: str

    @property
    def id(self) -> str:
        """The agent's id."""
        return object_id("ag", self.agent.namespace, self.agent.name)

    @property
    def pod(self) -> str | None:
        """The uid of the pod that the agent had enrolled from when its signature was checked; None outside of pools."""
        return self.agent.status.pod.uid if self.agent.status.pod is not None else None


@dataclass(frozen=True, kw_only=True)
class EnrollmentCaller:
    """A machine that shows an enrolment code with a right checksum; whether it is good, enrolment decides."""

    enrollment: EnrollmentToken
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PodCaller:
    """A pod of an agent pool whose token the Kubernetes API found good."""

    pool: AgentPool
    pod: AgentPod


Role = Literal["member", "owner"]
