"""What the contract, the signer, the ledger and the buyer's verifier agree on. Pure: no I/O."""
