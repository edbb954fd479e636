"""The box's clock as the kernel vouches for it: adjtimex(2) says whether something disciplines it, and how well."""

from __future__ import annotations

import ctypes
import math
import time
from pathlib import Path

from node_image.protocol.timing import Interval

BOOT_ID, FIRST = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/1/stat")
STARTED = 19  # proc(5): field 22 of all, counted behind the name
TIME_ERROR = 5  # not synchronised, by the kernel's own word
WORST_S = 16.0  # the kernel gives up its estimate there


class _Timex(ctypes.Structure):
    """The head of struct timex; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("room", ctypes.c_byte * 200),
    )


def interval() -> Interval:
    """Where the time surely lies; open above where nobody disciplines the clock."""
    told = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told))
    return of(time.time(), state, told.maxerror / 1e6)


def boot() -> str:
    """Which boot this is: the kernel's, and when the box's first process began (one in a container has no kernel)."""
    return f"{BOOT_ID.read_text()[:8]}-{FIRST.read_text().rpartition(')')[2].split()[STARTED]}"


def of(now: float, state: int, error_s: float) -> Interval:
    """The interval around a reading; pure. A clock that nobody disciplines is not believed at all."""
    if not 0 <= state < TIME_ERROR or error_s > WORST_S:
        return Interval(0, None)
    return Interval(math.floor(now - error_s), math.ceil(now + error_s))
