"""The relayer: takes the ledger's free vouchers to the chain, and the chain's redemptions to the ledger."""
