"""Rate limits: how many runs a token, and a workflow, may start in a minute, an hour and a day."""
