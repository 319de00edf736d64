"""REST and Git do not overwrite each other: what REST did not make, it changes only when told to."""

from typing import Annotated

from fastapi import Query

from deplite.resources import Resource
from deplite_apiserver.errors import ConflictError

Force = Annotated[bool, Query(description="Change an object that is managed in Git all the same.")]


def refuse_managed_in_git(resource: Resource, *, force: bool = False) -> None:
    """Refuse to change an object that REST did not make.

    Raises:
        ConflictError: `managed_in_git`, unless forced.
    """
    if not force and not resource.managed_by_api:
        message = "This object is managed in Git: change it there, or repeat the call with ?force=true."
        raise ConflictError(message, code="managed_in_git")
