"""REST and Git do not overwrite each other: what REST did not make, it changes only when told to."""

from typing import Annotated

from fastapi import Query

from deplite.resources import Resource
from deplite_apiserver.errors import ConflictError

Force = Annotated[bool, Query(description="Change an object that is managed in Git all the same.")]


def refuse_managed_in_git(
    resource: Resource, *, force: bool = False, advice: str = "change it there, or repeat the call with ?force=true"
) -> None:
    """Refuse to change an object that REST did not make.

    Args:
        resource: the object.
        force: whether the caller wants it all the same.
        advice: what else to do.

    Raises:
        ConflictError: `managed_in_git`, unless forced.
    """
    if not force and not resource.managed_by_api:
        raise ConflictError(f"This object is managed in Git: {advice}.", code="managed_in_git")
