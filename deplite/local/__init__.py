"""Everything on one machine: starts the parts as processes and imports none of them."""
