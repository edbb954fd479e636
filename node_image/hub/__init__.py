"""The hub: where all nodes' journals meet."""
