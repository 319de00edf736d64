"""Slack: installations, commands, and cards that follow runs. `context.slack` is the door to all of it (`desk.py`)."""
