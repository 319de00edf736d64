"""The `deplite` command: one file a subcommand, each a thin caller of `deplite.local` or `deplite.client`."""
