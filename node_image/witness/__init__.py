"""A witness at the site: beside each front, and on each node for its neighbours (docs/architecture.md)."""

PORT = 8444
