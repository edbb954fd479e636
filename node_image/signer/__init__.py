"""The signer: keys, journal, rules. No network; a Unix socket is its only face. Rule -> persist -> sign."""
