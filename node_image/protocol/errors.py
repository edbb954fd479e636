"""What the protocol refuses.

ProtocolError
├── NotVerified       a signature, digest or proof that is not what it must be
├── NoReceipt         bytes that are no receipt and no voucher
├── CommandRefused    a command to a box that it must not do, with the code of the reason
└── JournalDamaged    a journal that holds what was never written, with its place
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Something outside the rules; the message is one sentence."""


class NotVerified(ProtocolError):
    """A signature, digest or proof that is not what it must be."""


class NoReceipt(ProtocolError):
    """Bytes that are no receipt and no voucher."""


class CommandRefused(ProtocolError):
    """A command that a box must not do; `code` is one word for machines."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class JournalDamaged(ProtocolError):
    """A journal that doesn't verify; `offset` is the byte of the first bad frame."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"journal damaged at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason
