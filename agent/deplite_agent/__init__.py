"""The process on the target machine: enrols, holds a stream that it opened itself, runs workflow files, reports.

Light: httpx, cryptography, a YAML reader and the wire protocol, nothing of Kubernetes.
"""

from deplite import __version__ as VERSION

__all__ = ["VERSION"]
