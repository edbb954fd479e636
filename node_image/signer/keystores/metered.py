"""Any key with its quota and its health: every signature goes through here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from node_image.protocol.eip712 import keccak
from node_image.protocol.errors import NotVerified
from node_image.signer.keystores.base import HsmFault, QuotaSpent, RawKey, RawKeystore, Report
from node_image.signer.keystores.quota import SECOND, Quota

# A Batch digest is the Keccak hash of 66 bytes that begin with 0x1901 (EIP-712). This one's preimage is shorter and
# begins with a letter, so for the two to be equal Keccak would have to be broken; nor does EIP-191 text (0x19) or a
# transaction (RLP list, or a type byte below 0x45) ever begin so. A signature over it says nothing to anyone.
WARM_UP = keccak(b"Edgedrop signs nothing here: warming up")


class MeteredKeystore:
    """Keys of one keystore under one quota: the HSM's limit is the HSM's, whichever key it signs with."""

    def __init__(
        self, kind: str, inner: RawKeystore, quota: Quota | None, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._kind, self._inner, self._meter = kind, inner, _Meter(quota, clock_ns)

    def key(self, label: str) -> MeteredKey:
        """The key of this label; HsmFault."""
        return MeteredKey(self._kind, self._inner.key(label), self._meter)

    def destroy(self, label: str) -> None:
        """It is gone for good; HsmFault."""
        self._inner.destroy(label)


class MeteredKey:
    """One key; safe to use from many threads, as far as its keystore is."""

    def __init__(self, kind: str, inner: RawKey, meter: _Meter) -> None:
        self._kind, self._inner, self._meter = kind, inner, meter
        self.public = inner.public
        self._down = ""
        self._last_good_at: float | None = None
        self._latency_ms: float | None = None

    def check(self) -> None:
        """QuotaSpent where a signature would be refused now."""
        self._meter.check()

    def sign(self, digest: bytes) -> bytes:
        """Take a token, sign, remember how it went."""
        self._meter.take()
        begun = time.perf_counter()
        try:
            made = self._inner.sign(digest)
        except QuotaSpent:
            raise  # the other side's own limit: it is up
        except NotVerified as fault:
            self._down = f"the keystore signs with another key than this grant's: {fault}"
            raise HsmFault(self._down) from fault
        except HsmFault as fault:
            self._down = str(fault)
            raise
        self._latency_ms = (time.perf_counter() - begun) * 1000
        self._last_good_at, self._down = time.time(), ""
        return made

    def warm(self) -> None:
        """One signature over what can never be a Batch."""
        self.sign(WARM_UP)

    def report(self) -> Report:
        """As it stands; asks the HSM nothing."""
        latency = None if self._latency_ms is None else round(self._latency_ms, 3)
        return Report(self._kind, self._down, self._last_good_at, latency, self._meter.left())


class _Meter:
    """The bucket of a keystore, shared by its keys."""

    def __init__(self, quota: Quota | None, clock_ns: Callable[[], int]) -> None:
        self._quota, self._clock_ns, self._lock = quota, clock_ns, threading.Lock()
        self._full_at = 0

    def check(self) -> None:
        if self._quota and (wait := self._quota.wait_ns(self._full_at, self._clock_ns())):
            raise QuotaSpent(wait / SECOND)

    def take(self) -> None:
        if not self._quota:
            return
        with self._lock:
            now = self._clock_ns()
            if wait := self._quota.wait_ns(self._full_at, now):
                raise QuotaSpent(wait / SECOND)
            self._full_at = self._quota.take(self._full_at, now)

    def left(self) -> int | None:
        return self._quota.left(self._full_at, self._clock_ns()) if self._quota else None
