"""One file a kind: gather the facts, ask the policy. The same is done at each change and at each resync."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from deplite.resources import (
    Agent,
    AgentPool,
    ApiToken,
    EnrollmentToken,
    Organization,
    Resource,
    SlackInstallation,
    Trigger,
)
from deplite_operator.context import Context
from deplite_operator.handlers.agentpools import agent_pool
from deplite_operator.handlers.agents import agent
from deplite_operator.handlers.apitokens import api_token
from deplite_operator.handlers.enrollmenttokens import enrollment_token
from deplite_operator.handlers.organizations import organization
from deplite_operator.handlers.slackinstallations import slack_installation
from deplite_operator.handlers.triggers import trigger
from deplite_operator.verdict import Verdict

Handler = Callable[[Context, Any], Awaitable[Verdict]]

HANDLERS: Mapping[type[Resource], Handler] = {
    Organization: organization,
    Agent: agent,
    AgentPool: agent_pool,
    Trigger: trigger,
    ApiToken: api_token,
    EnrollmentToken: enrollment_token,
    SlackInstallation: slack_installation,
}
"""The one list of who reconciles what."""
