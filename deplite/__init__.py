"""What the parts of Deplite share: the wire protocol, the typed resources, the Kubernetes client and the command."""

__version__ = "0.1.0"
