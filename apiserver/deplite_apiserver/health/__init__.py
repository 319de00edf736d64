"""Whether this replica lives, and whether it can serve."""
