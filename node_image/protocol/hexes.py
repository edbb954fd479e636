"""Bytes as they stand in JSON: 0x hex."""

from __future__ import annotations


def unhex(text: str) -> bytes:
    """The bytes of `0x..`, or of the digits alone; ValueError where it is no hex."""
    return bytes.fromhex(text.removeprefix("0x"))
