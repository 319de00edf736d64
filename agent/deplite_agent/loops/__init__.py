"""What the agent does for as long as it runs, one loop a file."""
