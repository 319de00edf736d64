"""Limits: how many runs in a minute, an hour and a day; how fast log lines may come; how much there may be."""
