"""The log lines of runs: taken from agents, shown to people."""
