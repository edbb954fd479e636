"""Benches: each with its baseline in the same run; a table for people, build/bench/<name>.json for machines."""
