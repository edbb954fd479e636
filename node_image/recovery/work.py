"""A re-image that came by the bus, on the box: what the door verified, until the installer has it; and how it went."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Mapping

import msgspec

from node_image import durable
from node_image.recovery.place import Place

UNIT = "edgedrop-reimage.service"


class Wanted(msgspec.Struct, frozen=True):
    """`again`: also a release that failed here before."""

    release: str
    again: bool


class Told(msgspec.Struct, frozen=True):
    """`doing` is fetching, begun or failed; `why` is its last word."""

    release: str
    doing: str
    why: str = ""


class Work:
    """A folder that is there, whole, while there is something to do; beside it what came of the last one."""

    def __init__(self, place: Place) -> None:
        self._folder, self._told = place.memory / "reimage", place.memory / "reimage.json"

    @property
    def pending(self) -> bool:
        """There is something to do."""
        return self._folder.exists()

    def write(self, wanted: Wanted, files: Mapping[str, bytes]) -> None:
        """On the disk, whole or not at all; `files` by their place in a slot. OSError."""
        part = self._folder.with_name("reimage.part")
        shutil.rmtree(part, ignore_errors=True)
        for name, data in files.items():
            durable.write(part / "in" / name, data)
        durable.write(part / "order.json", msgspec.json.encode(wanted))
        self.tell(Told(wanted.release, "fetching"))
        part.replace(self._folder)
        durable.sync(self._folder.parent)

    def wanted(self) -> Wanted:
        """What is to be done."""
        return msgspec.json.decode((self._folder / "order.json").read_bytes(), type=Wanted)

    def document(self) -> bytes:
        """The slot's."""
        return (self._folder / "in" / "slot.json").read_bytes()

    def packed(self) -> bytes:
        """As the installer stages it: a tar file."""
        made, root = io.BytesIO(), self._folder / "in"
        with tarfile.open(fileobj=made, mode="w") as tar:
            for path in sorted(path for path in root.rglob("*") if path.is_file()):
                entry = tarfile.TarInfo(str(path.relative_to(root)))
                entry.size = path.stat().st_size
                with path.open("rb") as file:
                    tar.addfile(entry, file)
        return made.getvalue()

    def tell(self, told: Told) -> None:
        """Where it stands, for `status`."""
        durable.write(self._told, msgspec.json.encode(told))

    def told(self) -> dict[str, str]:
        """The last word of the last one; nothing where there was none."""
        try:
            return {str(name): str(value) for name, value in json.loads(self._told.read_bytes()).items()}
        except (OSError, ValueError):
            return {}

    def clear(self) -> None:
        """It is done; what came of it stays."""
        shutil.rmtree(self._folder, ignore_errors=True)
