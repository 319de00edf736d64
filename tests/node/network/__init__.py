"""NetworkPolicies enforced on the node of the tests, whose bridge knows nothing of them."""
