"""The holders' commands on a real EVM."""
