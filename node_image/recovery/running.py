"""A program that the box's recovery starts: a fixed list of words, no shell, a time limit, and all that it said."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

LIMIT_S = 90
INSTALLER = ("python3", "/usr/local/lib/edgedrop/slots.pyz")  # infra/installer.py
# Out of the door's own unit, which may write next to nothing; what it says and its exit code come back.
OUTSIDE = ("systemd-run", "--quiet", "--collect", "--wait", "--pipe")


class Ran:
    """How a program ended, with all that it said."""

    def __init__(self, code: int, text: str) -> None:
        self.ok, self.text = code == 0, text

    @property
    def last(self) -> str:
        """Its last line, which says why where it failed."""
        return (self.text.strip().splitlines() or [""])[-1][:300]


def run(words: Sequence[str], seconds: float = LIMIT_S, stdin: bytes = b"") -> Ran:
    """Run a program; one that isn't there or doesn't end in time has failed."""
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ran(1, f"{words[0]} did not end in {seconds:.0f} s")
    except OSError as fault:
        return Ran(1, f"{words[0]}: {fault.strerror}")
    return Ran(done.returncode, done.stdout.decode(errors="replace"))
