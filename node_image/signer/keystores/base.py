"""What every kind of keystore is to the signer, and how it says no.

HsmFault       the HSM did not do what it was asked: the signer stops until it does
└── QuotaSpent it may not be asked again before `retry_after_s`: a result, never a wait
Misfit         the URI names no keystore that can be had here; carries a hint
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class HsmFault(Exception):
    """The HSM did not do what it was asked; the signer stops until it does."""


class QuotaSpent(HsmFault):
    """The HSM has no signature left for now."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"the HSM's quota is spent for {retry_after_s:.3f} s")
        self.retry_after_s = retry_after_s


class Misfit(ValueError):
    """A keystore that cannot be had here; what was wrong, and what would be right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Report:
    """How a key's keystore does; `down` says why it does not sign, and is empty while it does."""

    kind: str
    down: str
    last_good_at: float | None  # Unix seconds of the last good signature
    latency_ms: float | None  # of the last good signature
    quota_left: int | None  # None: no quota is set


class RawKey(Protocol):
    """One key as its kind of keystore gives it."""

    public: bytes  # 65 bytes, uncompressed

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r, s, v over exactly 32 bytes; HsmFault."""


class Key(RawKey, Protocol):
    """One grant's key with its quota and health."""

    def check(self) -> None:
        """QuotaSpent where a signature would be refused now: asked before anything is persisted."""

    def warm(self) -> None:
        """One signature that means nothing, so that the first buyer does not wait for a cold HSM; HsmFault."""

    def report(self) -> Report:
        """For the signer's status."""


class RawKeystore(Protocol):
    """Keys by label; made on first need, never taken out."""

    def key(self, label: str) -> RawKey:
        """The key of this label; HsmFault."""

    def destroy(self, label: str) -> None:
        """It is gone for good; no news where there is none. HsmFault."""


class Keystore(Protocol):
    """As above, metered."""

    def key(self, label: str) -> Key:
        """The key of this label; HsmFault."""

    def destroy(self, label: str) -> None:
        """It is gone for good; no news where there is none. HsmFault."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of keystore: what its URI takes, and how it is opened."""

    form: str
    needs: frozenset[str]
    may: frozenset[str]
    open: Callable[[dict[str, str]], RawKeystore]
