"""What a job is going to do: the order checked against this machine's own file. The agent refuses by itself."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deplite.protocol.errors import InvalidRefError
from deplite.protocol.params import ParamError, ParamValue, check_bounds, resolve
from deplite.protocol.refs import check_ref, ref_allowed
from deplite_agent.errors import AgentError
from deplite_agent.jobs.environment import MissingSecretError, SecretStore
from deplite_agent.jobs.order import Order
from deplite_agent.workflows.file import schema_of
from deplite_agent.workflows.inventory import Inventory
from deplite_agent.workflows.model import Step, Workflow


class RejectedError(AgentError):
    """This machine refuses the job; the sentence says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A job that may run."""

    workflow: Workflow
    folder: Path
    """Where the workflow file is: relative working directories begin there."""
    params: Mapping[str, ParamValue]
    secrets: Mapping[str, str]

    @property
    def working_directory(self) -> Path:
        """Where the job is at home, and its artifacts are looked for: by default beside the workflow file."""
        return self.folder / os.path.expanduser(self.workflow.working_directory or "")

    def folder_of(self, step: Step) -> Path:
        """Return where a step runs: in the working directory, unless it says otherwise itself."""
        if step.working_directory is None:
            return self.working_directory
        return self.folder / os.path.expanduser(step.working_directory)


def plan(order: Order, inventory: Inventory, secrets: SecretStore) -> Plan:
    """Return what the job is going to do.

    Raises:
        RejectedError: it must not run here.
    """
    found = inventory.scan().found.get(order.workflow)
    if found is None:
        raise RejectedError(f"There is no workflow named {order.workflow} on the agent.")
    workflow = found.workflow
    try:
        if order.ref is not None:
            check_ref(order.ref)
        params = resolve(check_bounds(dict(order.params)), schema_of(workflow))
        values = secrets.values(workflow.secrets)
    except (InvalidRefError, ParamError, MissingSecretError) as error:
        raise RejectedError(str(error)) from None
    if not ref_allowed(order.ref, workflow.allowed_refs):
        raise RejectedError("The workflow's allowed-refs on the agent do not include the ref of this run.")
    return Plan(workflow=workflow, folder=found.path.parent, params=params, secrets=values)
