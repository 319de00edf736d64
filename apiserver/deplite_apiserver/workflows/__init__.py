"""Workflows as agents report them, and their limits."""
