"""The operator: makes what the specs say true, by handlers of kopf over pure policies."""
