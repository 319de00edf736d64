"""docs/kubernetes.md, typed from an empty cluster to an empty cluster."""
