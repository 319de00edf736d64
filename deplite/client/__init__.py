"""The REST API from a caller's side, as far as the `deplite` command calls it. Knows addresses and credentials only."""
