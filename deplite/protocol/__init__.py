"""The wire between server, agents and API clients: plain types and the rules both ends check.

The only package of `deplite` that the agent may import; it imports nothing of ours but `deplite.errors`.
"""
