"""What the API is, read off the routes, their models and the table of callers: OpenAPI, a page, docs/api.md."""
