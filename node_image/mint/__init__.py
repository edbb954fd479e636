"""The mint: a node's HTTP face. It holds no key and decides nothing; the signer does."""
