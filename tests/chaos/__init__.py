"""Faults on purpose: bounded in count and time, in folders of their own; a table, and build/chaos/<name>.json."""
