"""Asks a node what was put on it and what is there now."""

from __future__ import annotations

from typing import Any

import msgspec

from infra.home import ROOT
from infra.provision.ssh import Host

REMEMBER = ROOT / "playbooks" / "roles" / "record" / "files" / "remember.py"
APPLIED = "/var/lib/edgedrop/applied.json"
ASK_S = 20


class Said(msgspec.Struct, frozen=True):
    """As playbooks/roles/record/files/remember.py tells it."""

    remembered: dict[str, Any]
    now: dict[str, Any]


def probe(host: Host) -> Said | None:
    """What the node says, None where it says nothing we understand: a state, not a fault."""
    done = host.run(f"python3 - tell {APPLIED}", stdin=REMEMBER.read_bytes(), seconds=ASK_S)
    if done.returncode != 0:
        return None
    try:
        return msgspec.json.decode(done.stdout, type=Said)
    except msgspec.DecodeError:
        return None
