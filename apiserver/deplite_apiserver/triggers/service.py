"""What the trigger endpoints do."""

from typing import Any

from deplite.kube.errors import ConflictError as StaleError
from deplite.protocol.params import storable
from deplite.resources import Trigger
from deplite.resources.identifiers import slug_name
from deplite.resources.resource import CREATED_BY_LABEL, Meta
from deplite.resources.trigger import TriggerSpec
from deplite_apiserver.context import Context
from deplite_apiserver.edge.body import validated
from deplite_apiserver.errors import PreconditionFailedError, ValidationFailedError
from deplite_apiserver.lookup import agent_names
from deplite_apiserver.triggers.schemas import TriggerCreate, TriggerPatch, spec_problem

_NAMES = {"name": "displayName", "workflowName": "workflow", "scopeType": "scope"}
"""Members whose spec field is called otherwise."""
_REMOVABLE = frozenset({"workflow", "allowedRefs", "params", "schedule", "concurrency", "timeouts", "notify"})
_TRIES = 5


async def create(context: Context, namespace: str, body: TriggerCreate) -> Trigger:
    """Create a trigger."""
    context.room.for_object(namespace)
    (agent,) = await agent_names(context, namespace, [body.agent_id])
    spec = _checked({"agent": agent} | _spec_fields(body))
    meta = Meta(name=slug_name(body.name), namespace=namespace, labels={CREATED_BY_LABEL: "api"})
    made = await context.kube.create(Trigger(metadata=meta, spec=spec))
    context.caches.triggers.note(made)
    return made


async def change(context: Context, trigger: Trigger, body: TriggerPatch, if_match: frozenset[str] | None) -> Trigger:
    """Change a trigger; without If-Match the last write wins.

    Raises:
        PreconditionFailedError: the present version is none of those that If-Match names.
    """
    patch = _spec_fields(body)
    if if_match is not None:
        # The copy here may lag behind what the caller has read.
        trigger = await context.kube.get(Trigger, *trigger.key)
    for _ in range(_TRIES):
        if if_match is not None and trigger.metadata.resource_version not in if_match:
            raise PreconditionFailedError
        exact = _replacing_params(trigger, patch)
        _checked(_merged(trigger.spec.wire(), exact))
        try:
            changed = await context.kube.patch(
                Trigger, *trigger.key, {"spec": exact}, version=trigger.metadata.resource_version
            )
        except StaleError:
            trigger = await context.kube.get(Trigger, *trigger.key)
            continue
        context.caches.triggers.note(changed)
        return changed
    raise PreconditionFailedError


async def remove(context: Context, trigger: Trigger) -> None:
    """Delete a trigger; its jobs and their history stay."""
    await context.kube.delete(Trigger, *trigger.key, uid=trigger.metadata.uid)
    context.caches.triggers.forget(*trigger.key, trigger.metadata.uid)


def _spec_fields(body: TriggerCreate | TriggerPatch) -> dict[str, Any]:
    given = body.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"agent_id"})
    fields = {_NAMES.get(key, key): value for key, value in given.items()}
    if fields.get("params"):
        fields["params"] = {name: storable(value) for name, value in fields["params"].items()}
    elif fields.get("params") is not None:
        fields["params"] = None  # a merge patch with an empty object would change nothing
    # Null takes away what may be absent, and changes nothing else: it must not let a suspended trigger go.
    removable = _REMOVABLE if isinstance(body, TriggerPatch) else frozenset()
    return {name: value for name, value in fields.items() if value is not None or name in removable}


def _replacing_params(trigger: Trigger, patch: dict[str, Any]) -> dict[str, Any]:
    """Return the patch with params that replace the present ones: a merge patch would leave those it does not name."""
    if not patch.get("params"):
        return patch
    return patch | {"params": dict.fromkeys(trigger.spec.params) | patch["params"]}


def _merged(spec: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return what a merge patch makes of a spec."""
    merged = dict(spec)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def _checked(fields: dict[str, Any]) -> TriggerSpec:
    spec = validated(TriggerSpec, fields)
    if problem := spec_problem(spec):
        raise ValidationFailedError(f"{problem}.")
    return spec
