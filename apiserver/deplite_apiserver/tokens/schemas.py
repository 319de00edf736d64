"""Bodies and answers of the API token endpoints; both spellings of grants."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from deplite.resources import ApiToken
from deplite.resources.apitoken import Grant
from deplite.resources.identifiers import object_id
from deplite.resources.limits import MAX_RATE, Cidr, DisplayName
from deplite_apiserver.edge.body import Closed, Shape
from deplite_apiserver.edge.moments import Moment
from deplite_apiserver.lookup import agent_id_of, trigger_id_of

Bound = Annotated[int, Field(ge=1, le=MAX_RATE, strict=True)]
Ids = Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
Binding = Annotated[str, Field(min_length=1, max_length=64)]


class AgentScope(Closed):
    """Every trigger of these agents."""

    type: Literal["agent"]
    agent_ids: Ids


class TriggerScope(Closed):
    """These triggers."""

    type: Literal["trigger"]
    trigger_ids: Ids


class StorageScope(Closed):
    """Files under these labels; null: any label."""

    type: Literal["storage"]
    binding_ids: tuple[Binding, ...] | None = Field(default=None, max_length=100)
    permissions: tuple[Literal["read", "write", "delete"], ...] = Field(min_length=1, max_length=3)


Scope = Annotated[AgentScope | TriggerScope | StorageScope, Field(discriminator="type")]


class TokenCreate(Closed):
    """POST /orgs/:orgId/api-tokens; either `scopes`, or the short form `scopeType` with ids."""

    name: DisplayName
    scopes: tuple[Scope, ...] | None = Field(default=None, min_length=1, max_length=20)
    scope_type: Literal["trigger", "agent"] | None = None
    trigger_ids: Ids | None = None
    agent_ids: Ids | None = None
    rate_limit_per_minute: Bound | None = None
    rate_limit_per_hour: Bound | None = None
    rate_limit_per_day: Bound | None = None
    expires_at: Moment | None = None
    allowed_cidrs: tuple[Cidr, ...] = Field(default=(), max_length=50, alias="allowedCIDRs")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.scopes is None) == (self.scope_type is None):
            raise ValueError("send either scopes or scopeType")
        if self.scopes is not None and (self.trigger_ids or self.agent_ids):
            raise ValueError("triggerIds and agentIds go with scopeType")
        if self.scope_type == "trigger" and (not self.trigger_ids or self.agent_ids):
            raise ValueError("scopeType trigger goes with triggerIds")
        if self.scope_type == "agent" and (not self.agent_ids or self.trigger_ids):
            raise ValueError("scopeType agent goes with agentIds")
        bounds = [self.rate_limit_per_minute, self.rate_limit_per_hour, self.rate_limit_per_day]
        given = [bound for bound in bounds if bound is not None]
        if given != sorted(given):
            raise ValueError("a limit may not be above that of a longer window")
        if len(set(self.allowed_cidrs)) != len(self.allowed_cidrs):
            raise ValueError("allowedCIDRs: a network is there twice")
        for cidr in self.allowed_cidrs:
            ip_network(cidr, strict=False)
        return self

    def all_scopes(self) -> tuple[AgentScope | TriggerScope | StorageScope, ...]:
        """Return the scopes, whichever way they were spelled."""
        if self.scopes is not None:
            return self.scopes
        if self.trigger_ids:
            return (TriggerScope.model_validate({"type": "trigger", "triggerIds": self.trigger_ids}),)
        return (AgentScope.model_validate({"type": "agent", "agentIds": self.agent_ids}),)


class TokenRotate(Closed):
    """POST …/rotate; the old token dies at once unless an overlap is asked for."""

    overlap_seconds: int = Field(default=0, ge=0, le=86_400, strict=True)


class Limits(Shape):
    """Runs in each window; null: no limit."""

    per_minute: int | None
    per_hour: int | None
    per_day: int | None


class PreviousShape(Shape):
    """The token as it was before it was rotated."""

    prefix: str
    good_until: datetime


class TokenShape(Shape):
    """An API token as REST shows it."""

    id: str
    name: str
    prefix: str | None
    scopes: list[dict[str, Any]]
    rate_limit_per_minute: int | None
    rate_limit_per_hour: int | None
    rate_limit_per_day: int | None
    expires_at: datetime | None
    allowed_cidrs: tuple[str, ...] = Field(alias="allowedCIDRs")
    previous: PreviousShape | None
    """The spelling before this one, while its overlap lasts."""
    last_used_at: datetime | None
    created_at: datetime | None


class MintedTokenShape(TokenShape):
    """A token just minted: the only answer that ever holds it."""

    plain_token: str


class TokenSelfShape(Shape):
    """GET /token."""

    organization_id: str
    name: str
    scopes: list[dict[str, Any]]
    rate_limit: Limits
    expires_at: datetime | None


def scopes_of(namespace: str, grants: Sequence[Grant]) -> list[dict[str, Any]]:
    """Return grants in the words of the wire, with ids for names."""
    return [_scope(namespace, grant) for grant in grants]


def _scope(namespace: str, grant: Grant) -> dict[str, Any]:
    match grant.type:
        case "agent":
            return {"type": "agent", "agentIds": [agent_id_of(namespace, name) for name in grant.agents]}
        case "trigger":
            return {"type": "trigger", "triggerIds": [trigger_id_of(namespace, name) for name in grant.triggers]}
        case "storage":
            bindings = None if grant.bindings is None else list(grant.bindings)
            return {"type": "storage", "bindingIds": bindings, "permissions": list(grant.permissions)}


def _previous(token: ApiToken, now: datetime) -> PreviousShape | None:
    for known in token.status.hashes[:-1]:
        if known.not_after is not None and now < known.not_after:
            return PreviousShape(prefix=known.prefix, good_until=known.not_after)
    return None


def fields_of(token: ApiToken, now: datetime) -> dict[str, Any]:
    """Return what `TokenShape` and `MintedTokenShape` have in common."""
    spec, newest = token.spec, token.status.hashes[-1] if token.status.hashes else None
    return {
        "id": object_id("tok", *token.key),
        "name": spec.display_name or token.name,
        "prefix": newest.prefix if newest else None,
        "scopes": scopes_of(token.namespace, spec.grants),
        "rate_limit_per_minute": spec.rate_limit.per_minute,
        "rate_limit_per_hour": spec.rate_limit.per_hour,
        "rate_limit_per_day": spec.rate_limit.per_day,
        "expires_at": spec.expires_at,
        "allowedCIDRs": spec.allowed_cidrs,
        "previous": _previous(token, now),
        "last_used_at": token.status.last_used_at,
        "created_at": token.metadata.creation_timestamp,
    }
