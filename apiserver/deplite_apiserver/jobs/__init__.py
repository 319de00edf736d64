"""Runs: accepted, shown, and led through their phases."""
