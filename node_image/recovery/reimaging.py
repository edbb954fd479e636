"""`reimage` at the door: what came by the bus is held against the command and the owner's key, then left to its unit.

Nothing is pulled or changed here: a pull takes as long as the uplink lets it, and the door has no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from node_image.protocol import parcel
from node_image.protocol.command import OWNER, Reimage
from node_image.protocol.errors import CommandRefused, NotVerified
from node_image.protocol.parcel import Document
from node_image.recovery.answer import Outcome
from node_image.recovery.place import Facts, Place
from node_image.recovery.running import INSTALLER, OUTSIDE, run
from node_image.recovery.work import UNIT, Wanted, Work

START = ("systemctl", "start", "--no-block", UNIT)
LACKS = (*OUTSIDE, *INSTALLER, "lacks")
AGAIN = "--again"


@dataclass(frozen=True, slots=True)
class Lacks:
    """What the installer says that the box has not."""

    images: tuple[str, ...]
    files: tuple[str, ...]


def take(action: Reimage, facts: Facts, place: Place) -> Outcome:
    """Written down to be done, whoever is killed; CommandRefused where it must not be."""
    work = Work(place)
    if work.pending:
        run(START)
        raise CommandRefused("not_taken", "one is being fetched: status tells how it goes")
    held, document = _verified(action, facts, place)
    lacks = ask_installer(held["slot.json"], again=action.again)
    came = {digest: data for digest in lacks.files if (data := _file(place.spool, digest)) is not None}
    if missing := sorted(name for name, digest in document.files.items() if digest in set(lacks.files) - came.keys()):
        reason = f"{', '.join(missing)}: neither here as wanted nor on the bus, where no secret ever is"
        raise CommandRefused("files_missing", reason)
    files = held | {f"files/{digest}": data for digest, data in came.items()}
    try:
        work.write(Wanted(action.release, action.again), files)
    except OSError as fault:
        return Outcome(False, f"it could not be written down: {fault.strerror}")
    begun = run(START)
    said = f"{len(lacks.images)} images are fetched, {len(came)} files came; status tells how it goes"
    return Outcome(begun.ok, said if begun.ok else begun.last)


def ask_installer(document: bytes, *, again: bool) -> Lacks:
    """What it lacks for this slot; CommandRefused where it takes it not at all."""
    done = run((*LACKS, AGAIN) if again else LACKS, stdin=document)
    try:
        told = json.loads(done.text)
        lacks, refused = Lacks(tuple(told["images"]), tuple(told["files"])), str(told["refused"])
    except (ValueError, KeyError, TypeError) as fault:
        raise CommandRefused("not_taken", f"the installer was not understood: {done.last}") from fault
    if refused:
        raise CommandRefused("not_taken", refused)
    return lacks


def _verified(action: Reimage, facts: Facts, place: Place) -> tuple[dict[str, bytes], Document]:
    """The slot's document and the release's envelope by their place in a slot, and what the document says."""
    owner = facts.keys.get(OWNER, "").encode()
    if not owner:
        raise CommandRefused("not_verified", "this box was told of no owner")
    try:
        slot = parcel.payload(_signed(place, action.document), parcel.SLOT_TYPE, owner, action.document)
        document, release = parcel.document(slot), _signed(place, action.release)
        parcel.payload(release, parcel.RELEASE_TYPE, owner, action.release)
    except NotVerified as fault:
        raise CommandRefused("not_verified", str(fault)) from fault
    if (document.stack, document.node, document.release) != (facts.stack, facts.node, action.release):
        told = f"it puts {document.release[:12]} on {document.node} of {document.stack}"
        raise CommandRefused("not_verified", f"the document is for something else: {told}")
    if _digest(place.installer) != document.files.get(parcel.INSTALLER):
        raise CommandRefused("other_installer", "this box's installer is not the one that the document is for")
    return {"slot.json": slot, "release.dsse.json": release}, document


def _signed(place: Place, name: str) -> bytes:
    data = _read(place.spool, name)
    if data is None:
        raise NotVerified(f"{name[:12]} is not here: it is not on the hub's bus any more, or could not be fetched")
    return data


def _file(folder: Path, digest: str) -> bytes | None:
    """The file, where it is what its name says."""
    data = _read(folder, digest)
    return data if data is not None and hashlib.sha256(data).hexdigest() == digest else None


def _read(folder: Path, name: str) -> bytes | None:
    """From the agent's folder, where root follows no link and waits for no pipe."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(folder / name, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > parcel.MOST_BYTES:
                return None
            return file.read(parcel.MOST_BYTES)
    except OSError:
        return None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
