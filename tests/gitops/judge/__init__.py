"""What GitOps tools think of objects, by their own code: kstatus of Flux, and the Lua that Argo CD has."""

from tests.gitops.judge.program import find_or_build

__all__ = ["find_or_build"]
