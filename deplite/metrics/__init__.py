"""What the parts have in common of being measured; docs/metrics.md lists every family."""
