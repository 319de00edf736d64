"""Where requests come in and answers go out: prefixes, bodies, limits, request ids, and the one shape of errors."""
