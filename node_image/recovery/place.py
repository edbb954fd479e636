"""Where things lie on the box, and what its recovery is told of itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from node_image.protocol.command import Box


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """recovery.json. `keys` (public PEMs by name) may command this box; `hub` is the bus's host."""

    schema: int
    stack: str
    node: str
    hub: str
    services: tuple[str, ...]
    keys: dict[str, str]

    @property
    def box(self) -> Box:
        """As a command must name it."""
        return Box(self.stack, self.node, frozenset(self.services))


@dataclass(frozen=True, slots=True)
class Place:
    """Paths below `root`, which is `/` on a box."""

    root: Path

    @classmethod
    def here(cls) -> Place:
        """EDGEDROP_ROOT is for tests; on a box the units set no such thing."""
        return cls(Path(os.environ.get("EDGEDROP_ROOT", "/")))

    @property
    def settings(self) -> Path:
        """Written by the role `recovery`."""
        return self.root / "etc/edgedrop/recovery"

    @property
    def memory(self) -> Path:
        """What must outlive a reboot."""
        return self.root / "var/lib/edgedrop-recovery"

    @property
    def run(self) -> Path:
        """What must not."""
        return self.root / "run/edgedrop-recovery"

    @property
    def watch(self) -> Path:
        """What the watch saw since the boot."""
        return self.root / "run/edgedrop-watch"

    @property
    def socket(self) -> Path:
        """The door."""
        return self.root / "run/edgedrop-door.sock"

    @property
    def shared(self) -> Path:
        """The volume that the node's services share; it belongs to them."""
        return self.root / "var/lib/docker/volumes/edgedrop-run/_data"

    @property
    def spool(self) -> Path:
        """What the agent fetched; it belongs to it."""
        return self.root / "var/cache/edgedrop-recovery"

    @property
    def installer(self) -> Path:
        """Put there by the role `slots`."""
        return self.root / "usr/local/lib/edgedrop/slots.pyz"

    @property
    def slots(self) -> Path:
        """The installer's (node_image/slots)."""
        return self.root / "var/lib/edgedrop/slots"

    @property
    def applied(self) -> Path:
        """What the plays remember (playbooks/roles/record)."""
        return self.root / "var/lib/edgedrop/applied.json"

    def facts(self) -> Facts:
        """What the box is told; OSError or msgspec.DecodeError where it was told nothing that can be read."""
        return msgspec.json.decode((self.settings / "recovery.json").read_bytes(), type=Facts)
