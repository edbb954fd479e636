"""Another release than the wanted one on a node, until a time: `overrides/<drop's stack>/<node>.dsse.json`.

Signed by the owner, since what stands there decides what `edgedrop up` puts on a node. Whoever planned the node's
resource sees it as `override`; when its time is over the wanted release counts again, and nobody has to clean up.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import rfc8785

from infra import audit, keys, release
from infra.errors import BadUsage, NotVerified
from infra.home import home, write_private
from infra.release import Release
from node_image.protocol import dsse
from node_image.protocol.errors import ProtocolError

PAYLOAD_TYPE = "application/vnd.edgedrop.override+json"
SECONDS = {"m": 60, "h": 3600, "d": 86400}
MOST_S = 30 * SECONDS["d"]
LASTING = "24h"  # where nothing is said


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`stack` is the drop's; times are Unix seconds."""

    schema: int
    stack: str
    node: str
    release: str
    why: str
    who: str
    issued_at: int
    expires_at: int

    def payload(self) -> bytes:
        """What is signed: canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    def words(self) -> str:
        """For people: which release, by whom, until when, why."""
        until = datetime.fromtimestamp(self.expires_at, UTC)
        why = f": {self.why}" if self.why else ""
        return f"override: release {self.release[:12]} by {self.who} until {until:%Y-%m-%d %H:%M:%S} UTC{why}"


def issue(drop: str, node: str, digest: str, why: str, seconds: int) -> Override:
    """One from now on, by whoever types; it counts once it is `put`."""
    now = int(time.time())
    return Override(1, drop, node, digest, why, audit.who(), now, now + seconds)


def differing(drop: str, node: str, digest: str, wanted: str, why: str, seconds: int) -> Override | None:
    """What makes a release count that a person puts there; None where it is the wanted one, or none is wanted yet."""
    return None if wanted in {"", digest} else issue(drop, node, digest, why, seconds)


def lasting(told: str) -> int:
    """Seconds of `90m`, `4h` or `2d`."""
    found = re.fullmatch(r"(\d{1,5})([mhd])", told)
    seconds = int(found[1]) * SECONDS[found[2]] if found else 0
    if not 0 < seconds <= MOST_S:
        raise BadUsage(f"--for {told}", "say 90m, 4h or 2d; 30d is the most")
    return seconds


def put(drop: str, node: str, one: Override | None) -> None:
    """It stands from now on; None: the wanted release counts again."""
    path = _path(drop, node)
    if one is None:
        path.unlink(missing_ok=True)
    else:
        write_private(path, dsse.sign(PAYLOAD_TYPE, one.payload(), keys.owner_pem()))


def read(drop: str, node: str) -> Override | None:
    """The node's, whether or not its time is over; NotVerified where it isn't the owner's word on this node."""
    path = _path(drop, node)
    if not path.exists():
        return None
    try:
        payload = dsse.verify(path.read_bytes(), PAYLOAD_TYPE, keys.owner_public_pem())
        found = msgspec.json.decode(payload, type=Override)
    except (ProtocolError, msgspec.DecodeError) as fault:
        raise _refused(path, str(fault)) from fault
    if (found.schema, found.stack, found.node) != (1, drop, node):
        raise _refused(path, f"it is of {found.node} of {found.stack}")
    return found


def in_force(drop: str, node: str, wanted: str) -> Override | None:
    """The one that puts another release there now than `wanted` (a digest)."""
    found = read(drop, node)
    return found if found and found.release != wanted and time.time() < found.expires_at else None


def all_in_force(drop: str, nodes: Iterable[str], wanted: str) -> tuple[Override, ...]:
    """Of these nodes."""
    return tuple(one for node in nodes if (one := in_force(drop, node, wanted)))


def release_of(one: Override) -> Release:
    """NotVerified where it isn't here."""
    return release.kept(one.release, f"an override wants it; to end that: edgedrop reimage {one.node}")


def forget(drop: str) -> None:
    """The drop is gone."""
    shutil.rmtree(home() / "overrides" / drop, ignore_errors=True)


def _path(drop: str, node: str) -> Path:
    return home() / "overrides" / drop / f"{node}.dsse.json"


def _refused(path: Path, why: str) -> NotVerified:
    return NotVerified(
        f"the override {path.parent.name}/{path.name} does not verify: {why}",
        f"find out who wrote it, then take it away: rm {path}",
    )
