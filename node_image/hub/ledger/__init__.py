"""The ledger: the central projection of all journals."""
