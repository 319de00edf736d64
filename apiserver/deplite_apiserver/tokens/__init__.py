"""API tokens: scoped, rate-limited credentials for machines."""
