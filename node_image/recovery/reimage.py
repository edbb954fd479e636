"""Brings a re-image that came by the bus to the installer: its images by the box's engine, then staged and begun.

A unit of its own, which systemd starts again where it was killed, and at boot. What comes after `begun` is the
installer's (node_image/slots): the new release, or what ran before.
"""

from __future__ import annotations

import sys

from node_image.protocol.errors import CommandRefused
from node_image.recovery.place import Place
from node_image.recovery.reimaging import AGAIN, ask_installer
from node_image.recovery.running import INSTALLER, run
from node_image.recovery.telling import slots
from node_image.recovery.work import Told, Wanted, Work
from node_image.service import log

PULL_S = 900
UNDER_WAY = ("trying", "committing", "rolling back")  # node_image/slots/decide.py
TRIES = 3


class Failed(Exception):
    """What keeps it from the installer; nothing runs otherwise than before."""


def fetch(work: Work, wanted: Wanted) -> None:
    """What the box lacks, each image by its digest from the registry that the owner's document names."""
    try:
        images = ask_installer(work.document(), again=wanted.again).images
    except CommandRefused as refusal:
        raise Failed(refusal.reason) from refusal
    for number, image in enumerate(images, 1):
        work.tell(Told(wanted.release, "fetching", f"image {number} of {len(images)}"))
        _must("docker", "pull", "--quiet", image, tries=TRIES)


def hand_over(work: Work, wanted: Wanted) -> None:
    """From here on the installer goes on by itself."""
    again = (AGAIN,) if wanted.again else ()
    _must(*INSTALLER, "stage", *again, stdin=work.packed())
    _must(*INSTALLER, "begin")


def under_way(place: Place, wanted: Wanted) -> bool:
    """The installer has it: we were killed just after."""
    state = slots(place)
    return state.get("release") == wanted.release and state.get("phase") in UNDER_WAY


def _must(*words: str, tries: int = 1, stdin: bytes = b"") -> None:
    done = run(words, PULL_S, stdin)
    for _ in range(tries - 1):
        if done.ok:
            return
        done = run(words, PULL_S, stdin)
    if not done.ok:
        raise Failed(f"{' '.join(words[:2])}: {done.last}")


def main() -> int:
    """What there is to do, if anything; how it went is for `status`."""
    place = Place.here()
    work = Work(place)
    if not work.pending:
        return 0
    wanted = work.wanted()
    try:
        if not under_way(place, wanted):
            fetch(work, wanted)
            hand_over(work, wanted)
        told = Told(wanted.release, "begun")
    except Failed as fault:
        told = Told(wanted.release, "failed", str(fault))
    log("a re-image by the bus", release=wanted.release, doing=told.doing, why=told.why)
    work.tell(told)
    work.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
