"""The Kubernetes API as Deplite uses it: typed objects in and out, one cache a kind, a Lease, errors with reasons."""
