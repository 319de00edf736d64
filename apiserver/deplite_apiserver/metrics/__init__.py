"""What the apiserver measures; docs/metrics.md lists every family."""
