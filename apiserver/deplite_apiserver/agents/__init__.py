"""Agents as people see them."""
