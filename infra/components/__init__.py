"""Pulumi components: one a file, a frozen Args and a ComponentResource."""
