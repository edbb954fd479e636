"""The anchorer: the ledger's checkpoints to the chain, and reports of keys that signed twice. It has the hub's key."""
