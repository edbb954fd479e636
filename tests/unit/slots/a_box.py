"""A box of the tests' own: a real disk, an engine that remembers what it was told, a kill at any step of either."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from node_image.slots.content import Container, Slot
from node_image.slots.decide import JOURNAL, Health
from node_image.slots.disk import APPLIED, Disk
from node_image.slots.engine import LABEL, MIB
from node_image.slots.install import Installer

SERVICES = ("bus", "signer", "mint")
GRANT = "0x" + "ab" * 32
USER = f"{os.getuid()}:{os.getgid()}"
OLD, NEW = hashlib.sha256(b"old").hexdigest(), hashlib.sha256(b"new").hexdigest()


class Killed(BaseException):
    """Power, SIGKILL: nobody catches it."""


@dataclass
class TinyEngine:
    """Containers by name, each with the files that it saw when it was made; `sick` are images that never get ready."""

    etc: Path
    images: set[str] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: dict[str, dict[str, bytes]] = field(default_factory=dict)
    named: set[str] = field(default_factory=lambda: {"edgedrop-journal", "edgedrop-run"})

    def shown(self) -> dict[str, dict[str, Any]]:
        return dict(self.made)

    def has_image(self, reference: str) -> bool:
        return reference in self.images

    def volumes(self) -> frozenset[str]:
        return frozenset(self.named)

    def remove(self, name: str) -> None:
        self.made.pop(name, None)
        self.seen.pop(name, None)

    def create(self, one: Container) -> None:
        assert one.name not in self.made, "the name is taken"
        assert self.has_image(one.image)
        env = (self.etc / one.service / "env").read_text().splitlines()
        self.made[one.name] = {
            "Name": f"/{one.name}",
            "Config": {"Image": one.image, "User": one.user, "Labels": {LABEL: one.service}, "Env": [*env, "PATH=/"]},
            "HostConfig": {"NetworkMode": one.network, "Memory": one.memory_mb * MIB, "Binds": list(one.binds)},
            "State": {"Running": False},
            "RestartCount": 0,
        }
        self.seen[one.name] = {path.name: path.read_bytes() for path in (self.etc / one.service).iterdir()}

    def start(self, name: str) -> None:
        self.made[name]["State"]["Running"] = True

    def health(self) -> Health:
        named = {one["Config"]["Labels"][LABEL]: one for one in self.made.values()}
        running = tuple(sorted(name for name, one in named.items() if one["State"]["Running"]))
        sick = any(one["Config"]["Image"] in self.sick for one in self.made.values())
        answers = {"signer", "mint"} <= set(running)
        reason = "it is sick" if sick else ""
        return Health(
            running, dict.fromkeys(named, 0), answers, answers and not sick, reason, "", {GRANT: 7} if answers else {}
        )


@dataclass
class Box:
    """The installer of one box, as often as it is begun anew."""

    folder: Path
    engine: TinyEngine
    remembered: list[str] = field(default_factory=list)
    ticks: int = 0

    @property
    def installer(self) -> Installer:
        """As a new process has it."""
        disk = Disk(self.folder / "etc", self.folder / "lib")
        return Installer(disk, self.engine, self.engine.health, self._remember, self._clock, lambda _seconds: None)  # type: ignore[arg-type]

    def _clock(self) -> float:
        self.ticks += 5
        return float(self.ticks)

    def _remember(self, slot: Slot) -> None:
        self.remembered.append(slot.release)
        (self.folder / "lib" / APPLIED).write_text(json.dumps({"told": dict(slot.told)}))

    def runs(self) -> set[str]:
        """Which releases' containers run, and with whose files: one alone is whole."""
        found = {one["Config"]["Image"].split("/")[0] for one in self.engine.made.values() if one["State"]["Running"]}
        found |= {files["drop.json"].decode() for files in self.engine.seen.values()}
        whole = {one["Config"]["Labels"][LABEL] for one in self.engine.made.values()} == set(SERVICES)
        return found if whole else found | {"not whole"}

    def tells(self) -> str:
        """The release that the node remembers."""
        return str(json.loads((self.folder / "lib" / APPLIED).read_text())["told"]["release"])


def document(mark: str, files: dict[str, str]) -> dict[str, Any]:
    """As the control side makes it."""
    release = hashlib.sha256(mark.encode()).hexdigest()
    return {
        "schema": 1,
        "release": release,
        "containers": [container(service, mark) for service in SERVICES],
        "files": files,
        "told": {"release": release},
    }


def container(service: str, mark: str) -> dict[str, Any]:
    """The bus's is the same in all."""
    image = f"{mark}/{service}@sha256:{mark}"
    binds = [f"edgedrop-journal:{JOURNAL}"] if service == "signer" else []
    return {
        "name": f"edgedrop-{service}",
        "service": service,
        "image": image,
        "network": "host",
        "user": USER,
        "memory_mb": 64,
        "env": {"MARK": mark},
        "binds": [*binds, f"/etc/edgedrop/{service}/drop.json:/drop.json:ro"],
        "files": [{"name": "drop.json", "path": "/drop.json"}],
    }


def packed(mark: str, **more: bytes) -> io.BytesIO:
    """The tar file that fills a slot; a file's content is the release's mark."""
    digest = hashlib.sha256(mark.encode()).hexdigest()
    held = {"slot.json": json.dumps(document(mark, {"drop.json": digest})).encode(), f"files/{digest}": mark.encode()}
    return tarred({**held, "release.dsse.json": b"{}"} | more)


def tarred(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(data)
            tar.addfile(told, io.BytesIO(data))
    stream.seek(0)
    return stream


def a_box(folder: Path, *, bare: bool = False) -> Box:
    """One on which a play has put the old release, or nothing."""
    engine = TinyEngine(folder / "etc")
    engine.images |= {one["image"] for mark in ("old", "new") for one in (container(name, mark) for name in SERVICES)}
    box = Box(folder, engine)
    (folder / "lib" / "slots").mkdir(parents=True)
    if not bare:
        first = box.installer
        first.disk.save(first.disk.load())
        first.stage(packed("old"), again=False)
        first.begin()
        first.go_on()
        shutil.rmtree(folder / "lib" / "slots")  # a play knows no slots
        (folder / "lib" / "slots").mkdir()
        box.remembered.clear()
    return box


@contextmanager
def killed_at(box: Box, number: int, *, late: bool) -> Iterator[list[int]]:
    """A kill before (or, `late`, just after) the step of that number; tells how many there were."""
    count = [0]

    def step(real: Any) -> Any:
        def done(*arguments: Any, **named: Any) -> Any:
            count[0] += 1
            if count[0] == number and not late:
                raise Killed
            found = real(*arguments, **named)
            if count[0] == number:
                raise Killed
            return found

        return done

    with (
        patch("os.replace", step(os.replace)),
        patch("os.fsync", step(os.fsync)),
        patch("os.symlink", step(os.symlink)),
        patch("shutil.rmtree", step(shutil.rmtree)),
    ):
        for name in ("remove", "create", "start"):
            setattr(box.engine, name, step(getattr(type(box.engine), name).__get__(box.engine)))
        try:
            yield count
        finally:
            for name in ("remove", "create", "start"):
                delattr(box.engine, name)
