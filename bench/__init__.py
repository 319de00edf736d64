"""Measures dispatch, acceptance and open streams, beside a floor from the same run; see docs/performance.md."""
