"""Free space of the disk that the journal lies on, as a rung. Pure.

It never stops the mint: a signer whose disk is full stops by itself and says so, and until then each claim is worth it.
"""

from __future__ import annotations

from node_image.cooling.ladder import Rung

MIB = 1 << 20
LOW, NEARLY_FULL = 1024 * MIB, 256 * MIB  # a claim is half a kilobyte in the journal
EASED = 1.25  # so much more before a rung is left


def next_rung(last: Rung, free: int | None) -> Rung:
    """From bytes free, None where nobody knows: then it stays where it was."""
    if free is None:
        return last
    return max(_rung(free), min(last, _rung(int(free / EASED))))


def _rung(free: int) -> Rung:
    if free < NEARLY_FULL:
        return Rung.DRAIN
    return Rung.REDUCED if free < LOW else Rung.NORMAL
