"""What a unit tells systemd: the protocol of sd_notify(3), one datagram a word."""

from __future__ import annotations

import os
import socket


def notify(word: str) -> None:
    """`READY=1`, `WATCHDOG=1`; nothing where systemd did not start us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        sock.sendall(word.encode())


def watchdog_s() -> float:
    """How often systemd wants a sign of life, 0 where it wants none."""
    return int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
