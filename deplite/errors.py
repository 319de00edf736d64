"""The one base of all errors that Deplite raises on purpose.

DepliteError
├── protocol.errors.ProtocolError      a message on the wire is not what the protocol says
├── kube.errors.KubeError              the Kubernetes API refused or did not answer
├── client.errors.ClientError           a call of the REST API, or a transfer of a file, did not work
└── local.errors.LocalError            something on this machine is missing, taken or broken
"""


class DepliteError(Exception):
    """Base of every error of ours; `str(error)` is one sentence a person can act on."""
