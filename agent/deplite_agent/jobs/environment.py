"""The environment of a step: what it needs from this machine, and what the run says, never by text substitution."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deplite.protocol.params import ParamValue
from deplite_agent.errors import AgentError
from deplite_agent.jobs.order import Order
from deplite_agent.workflows.model import Secret, Workflow, variable_of

_KEPT = frozenset(
    {"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
    | {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_SERVICE_PORT_HTTPS"}
)
_MAX_SECRET = 64 * 1024
JOB_VARIABLE = "DEPLITE_JOB_ID"


class MissingSecretError(AgentError):
    """A required secret is not on this machine; the sentence names it."""


class SecretStore:
    """Secrets of this machine: files by name, then the agent's own environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment

    def values(self, secrets: tuple[Secret, ...]) -> dict[str, str]:
        """Return the values of a workflow's secrets.

        Raises:
            MissingSecretError: a required one is missing or unreadable.
        """
        found = {secret.name: self._value(secret.name) for secret in secrets}
        missing = [secret.name for secret in secrets if secret.required and found[secret.name] is None]
        if missing:
            names = ", ".join(missing)
            raise MissingSecretError(
                f"The secret {names} is missing on the agent; put its value into the file {self._folder / missing[0]}."
            )
        return {name: value for name, value in found.items() if value is not None}

    def _value(self, name: str) -> str | None:
        path = self._folder / name
        try:
            with path.open("rb") as file:
                raw = file.read(_MAX_SECRET + 1)
        except FileNotFoundError:
            return self._environment.get(name) or None
        except OSError as error:
            raise MissingSecretError(f"The secret {name} cannot be read from {path} ({error.strerror}).") from None
        if len(raw) > _MAX_SECRET or b"\0" in raw:
            raise MissingSecretError(f"The secret {name} in {path} is no text of at most {_MAX_SECRET} bytes.")
        text = raw.decode("utf-8", "surrogateescape")
        # Editors end a file with a newline that is no part of the value.
        return text.removesuffix("\n").removesuffix("\r") or None


def base_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what steps get of the agent's own environment; its other variables may be secrets of other workflows."""
    return {name: value for name, value in environment.items() if name in _KEPT or name.startswith("LC_")}


def job_environment(
    order: Order,
    workflow: Workflow,
    params: Mapping[str, ParamValue],
    secrets: Mapping[str, str],
    folder: Path,
) -> dict[str, str]:
    """Return the variables that all steps of a job get, and write the file of its params.

    Args:
        order: the job.
        workflow: what the file on this machine says.
        params: checked and coerced.
        secrets: by name.
        folder: where the files of the job are.
    """
    params_file, output_file = folder / "params.json", folder / "output"
    params_file.write_text(json.dumps(dict(params), ensure_ascii=False, sort_keys=True), encoding="utf-8")
    output_file.touch(mode=0o600)
    variables = base_environment()
    variables |= {name: spelled(value) for name, value in workflow.env.items()}
    variables |= secrets
    variables |= {
        variable_of(name): spelled(value)
        for name, value in params.items()
        if name.isidentifier() and name.isascii() and "\0" not in spelled(value)
    }
    return variables | {
        JOB_VARIABLE: order.job_id,
        "DEPLITE_WORKFLOW": workflow.name,
        "DEPLITE_TRIGGER": order.trigger or "",
        "DEPLITE_REF": order.ref or "",
        "DEPLITE_DEBUG": spelled(order.debug),
        "DEPLITE_PARAMS": str(params_file),
        "DEPLITE_OUTPUT": str(output_file),
    }


def spelled(value: Any) -> str:
    """Return a scalar as a variable has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
