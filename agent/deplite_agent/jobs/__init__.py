"""A job's life on this machine: journal, claim, steps, log and result."""
