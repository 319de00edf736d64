"""Measures dispatch and acceptance against a floor from the same run on the same server; see docs/performance.md."""
