"""What the protocol refuses.

ProtocolError
├── NotVerified       a signature, digest or proof that is not what it must be
├── NoReceipt         bytes that are no receipt and no voucher
└── JournalDamaged    a journal that holds what was never written, with its place
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Something outside the rules; the message is one sentence."""


class NotVerified(ProtocolError):
    """A signature, digest or proof that is not what it must be."""


class NoReceipt(ProtocolError):
    """Bytes that are no receipt and no voucher."""


class JournalDamaged(ProtocolError):
    """A journal that doesn't verify; `offset` is the byte of the first bad frame."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"journal damaged at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason
