"""The stream that each agent holds open: `GET /agent/stream`."""
