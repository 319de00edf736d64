"""The nine kinds of `deplite.io/v1alpha1` as frozen, typed records, beside the schemas in `crds/`.

The YAML is the schema of record; a test proves that these types agree with it. Each type's docstring names who writes
each status field: there is one writer for each.
"""

from deplite.resources.agent import Agent
from deplite.resources.agentpool import AgentPool
from deplite.resources.apitoken import ApiToken
from deplite.resources.deployjob import DeployJob
from deplite.resources.enrollmenttoken import EnrollmentToken
from deplite.resources.organization import Organization
from deplite.resources.resource import Resource
from deplite.resources.slackinstallation import SlackInstallation
from deplite.resources.storedfile import StoredFile
from deplite.resources.trigger import Trigger

KINDS: tuple[type[Resource], ...] = (
    Organization,
    Agent,
    AgentPool,
    EnrollmentToken,
    Trigger,
    ApiToken,
    DeployJob,
    SlackInstallation,
    StoredFile,
)

__all__ = [
    "KINDS",
    "Agent",
    "AgentPool",
    "ApiToken",
    "DeployJob",
    "EnrollmentToken",
    "Organization",
    "Resource",
    "SlackInstallation",
    "StoredFile",
    "Trigger",
]
