"""Dynamic resources: what Pulumi has no provider for. Their names stand in states: never rename without a shim."""
