"""Helm itself, built from its published sources: what users install the chart with is what the tests run."""

from tests.chart.helm.program import VERSION, find_or_build

__all__ = ["VERSION", "find_or_build"]
