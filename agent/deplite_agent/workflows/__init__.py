"""Workflow files: what they may say, how they are read, and what the server is told of them."""
