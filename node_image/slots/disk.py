"""The box's disk: slots, state and the services' files. What is written is whole and synced, or not there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from node_image.slots import content
from node_image.slots.content import Container, Faulty, Slot
from node_image.slots.decide import SLOTS, Health, Phase, State

SPARE_BYTES = 64 << 20  # what stays free beside all that is staged
MOST_DOCUMENT = 1 << 20
DOCUMENT, RELEASE, FILES, APPLIED = "slot.json", "release.dsse.json", "files", "applied.json"
PLACES = re.compile(rf"{DOCUMENT}|{RELEASE}|{FILES}/[0-9a-f]{{64}}")


class Disk:
    """`etc` is what containers see, `lib` what the installer keeps: slots/{a,b,current,state.json,reserve}."""

    def __init__(self, etc: Path, lib: Path) -> None:
        self.etc, self.lib, self.slots = etc, lib, lib / "slots"

    def load(self) -> State:
        """Where the box stands; one that was never re-imaged is idle."""
        path = self.slots / "state.json"
        if not path.exists():
            return State()
        told: dict[str, Any] = json.loads(path.read_bytes())
        before = told["before"] and Health(**told["before"] | {"running": tuple(told["before"]["running"])})
        return State(phase=Phase(told.pop("phase")), bad=tuple(told.pop("bad")), **told | {"before": before})

    def save(self, state: State) -> State:
        """On disk when this returns."""
        put(self.slots / "state.json", json.dumps(asdict(state)).encode(), 0o600)
        return state

    def slot(self, name: str) -> Slot:
        """What a slot holds."""
        try:
            return content.read((self.slots / name / DOCUMENT).read_bytes())
        except OSError as fault:
            raise Faulty(f"slot {name} holds nothing: {fault.strerror}") from fault

    def holds(self, name: str) -> bool:
        """Whether there is anything in it."""
        return (self.slots / name / DOCUMENT).exists()

    def lacks(self, slot: Slot) -> list[str]:
        """SHA-256 of the files that are nowhere on this box."""
        return sorted(slot.files - set(self._held()))

    def stage(self, name: str, stream: IO[bytes]) -> Slot:
        """Fill a slot from a tar file: its document, its release, and those of its files that the box lacks."""
        part = self._fresh(name)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                data = tar.extractfile(member) if member.isfile() and PLACES.fullmatch(member.name) else None
                if data is None:
                    raise Faulty(f"{member.name} has no place in a slot")
                self._room(member.size)
                _keep(part, member.name, data.read())
        slot = content.read((part / DOCUMENT).read_bytes())
        held = self._held()
        for digest in slot.files:
            if not (part / FILES / digest).exists():
                if digest not in held:
                    raise Faulty(f"the file {digest[:12]} is missing")
                put(part / FILES / digest, held[digest].read_bytes(), 0o600)
        self._named(part, name)
        return slot

    def take_over(self, name: str, containers: tuple[Container, ...]) -> None:
        """Write down what runs now, so that there is something to come back to."""
        part = self._fresh(name)
        for one in containers:
            for file in one.files:
                data = (self.etc / one.service / file).read_bytes()
                put(part / FILES / _sha256(data), data, 0o600)
        applied = self.lib / APPLIED
        told: dict[str, str] = {}
        if applied.exists():
            put(part / APPLIED, applied.read_bytes(), 0o644)
            told = json.loads(applied.read_bytes()).get("told", {})
        release = told.get("release") or _sha256(b"")  # made by hand: no release of ours
        put(part / DOCUMENT, content.write(release, containers, told), 0o600)
        self._reserve(part)
        self._named(part, name)

    def files_of(self, service: str) -> dict[str, str]:
        """SHA-256 by name of a service's files as they are now; its environment is no file of a slot."""
        found = sorted(path for path in (self.etc / service).glob("*") if path.is_file() and path.name != "env")
        return {path.name: _sha256(path.read_bytes()) for path in found if path.suffix != ".part"}

    def differs(self, one: Container) -> bool:
        """Whether its files are not as they are to be."""
        folder = self.etc / one.service
        now = {**self.files_of(one.service), "env": _sha256(_read(folder / "env"))}
        wanted = {**one.files, "env": _sha256(one.env_file)}
        return {name: now.get(name) for name in wanted} != wanted

    def lay_out(self, name: str, one: Container) -> None:
        """Its files where the container sees them, as playbooks/roles/service lays them out."""
        folder = self.etc / one.service
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        put(folder / "env", one.env_file, 0o644)
        owner, _, group = one.user.partition(":")
        for file, digest in one.files.items():
            data = (self.slots / name / FILES / digest).read_bytes()
            if _sha256(data) != digest:
                raise Faulty(f"{file} of slot {name} was changed")
            put(folder / file, data, 0o400, (int(owner), int(group)))

    def switch(self, name: str) -> None:
        """`current` names the slot from now on: a link that is renamed into its place."""
        made = self.slots / ".current"
        made.unlink(missing_ok=True)
        made.symlink_to(name)
        made.replace(self.slots / "current")
        _sync(self.slots)

    def remembered(self, name: str) -> None:
        """What the node remembered when this slot was taken over is what it remembers again."""
        kept = self.slots / name / APPLIED
        if kept.exists():
            put(self.lib / APPLIED, kept.read_bytes(), 0o644)

    def give_way(self) -> None:
        """The reserve is for coming back where the disk is full."""
        (self.slots / "reserve").unlink(missing_ok=True)

    def _reserve(self, taken_over: Path) -> None:
        size = sum(path.stat().st_size for path in taken_over.rglob("*") if path.is_file())
        with (self.slots / "reserve").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * size + MOST_DOCUMENT)

    def _room(self, size: int) -> None:
        if shutil.disk_usage(self.slots).free < size + SPARE_BYTES:
            raise Faulty(f"the disk has less than {SPARE_BYTES >> 20} MiB to spare: clear it first")

    def _held(self) -> dict[str, Path]:
        """Every file of ours on this box by its SHA-256."""
        slots = (self.slots / name / FILES for name in SLOTS)
        found = [*self.etc.glob("*/*"), *(path for folder in slots for path in folder.glob("*"))]
        return {_sha256(path.read_bytes()): path for path in found if path.is_file()}

    def _fresh(self, name: str) -> Path:
        """An empty folder beside the slot's."""
        part = self.slots / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        (part / FILES).mkdir(mode=0o700, parents=True)
        self._room(0)
        return part

    def _named(self, part: Path, name: str) -> None:
        """Whole from here on. The slot in its place is none that runs."""
        shutil.rmtree(self.slots / name, ignore_errors=True)
        part.replace(self.slots / name)
        _sync(self.slots)


def put(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Whole or not at all, and there after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        if owner is not None:
            os.fchown(file.fileno(), *owner)
        os.fsync(file.fileno())
    part.replace(path)
    _sync(path.parent)


def _keep(part: Path, name: str, data: bytes) -> None:
    if name.startswith(f"{FILES}/") and _sha256(data) != name.removeprefix(f"{FILES}/"):
        raise Faulty(f"{name} is not what its name says")
    put(part / name, data, 0o600)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b"\0"  # no environment is like one that is not there


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
