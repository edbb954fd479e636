"""The bus on a node: a NATS leaf that dials the hub, and the courier between it and the signer."""
