"""What a mint counts: claims by answer, how long they took, and the last thousand for p50 and p99."""

from __future__ import annotations

from collections import deque

from prometheus_client import CollectorRegistry, Counter, Histogram

RING = 1000
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class ClaimMetrics:
    """One process's claims."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter("edgedrop_claims", "Claims by answer", ["answer"], registry=self.registry)
        self._seconds = Histogram(
            "edgedrop_claim_seconds", "From request to voucher", buckets=BUCKETS, registry=self.registry
        )
        self._recent: deque[float] = deque(maxlen=RING)
        self.claims = 0

    def answered(self, answer: str, seconds: float) -> None:
        """Count one claim; only vouchers count towards the percentiles."""
        self._answers.labels(answer).inc()
        if answer == "voucher":
            self.claims += 1
            self._seconds.observe(seconds)
            self._recent.append(seconds)

    def percentile_ms(self, share: float) -> float | None:
        """Of the last RING vouchers, in milliseconds; None before the first."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)
