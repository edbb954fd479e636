"""Asks a box of a site by SSH before it is any stack's: the site file's key alone is trusted, ours alone is shown."""

from __future__ import annotations

import base64
import logging
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import paramiko

from infra.errors import NotVerified, Unreachable
from infra.provision.session import dial
from infra.provision.ssh import CONNECT_S
from infra.site.measured import PARTS, Hub, Measured, Offset
from infra.spec.site import BoxSpec

SCRIPT = Path(__file__).with_name("measure.py")
QUIET_S = 20  # a part may take eight seconds, and a busy box as long again
WHOLE_S = 60
ASKED = 5  # how often for the time
SSH_PORT = 22
SILENT = (OSError, EOFError, ValueError, paramiko.SSHException)  # a document that can't be read is a ValueError
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # its own thread would print a traceback of each fault


class Line(msgspec.Struct, frozen=True):
    """One part, as `measure.py` says it; `told` or `why`."""

    part: str
    told: dict[str, Any] | None = None
    why: str = ""


class OtherKey(paramiko.MissingHostKeyPolicy):
    """A box that shows no key of the pinned kind is as strange as one that shows another."""

    def __init__(self, box: BoxSpec) -> None:
        self._box = box

    def missing_host_key(self, _client: paramiko.SSHClient, _hostname: str, _key: paramiko.PKey) -> None:
        """Nothing is ever learnt."""
        raise _strange(self._box)


def measure(box: BoxSpec, hub: str, heard: Callable[[str], None]) -> Measured:
    """All parts; `heard` is told of each as it comes in. Unreachable, or NotVerified before anything is run there."""
    told: dict[type[msgspec.Struct], msgspec.Struct] = {}
    why: dict[type[msgspec.Struct], str] = {}
    with connected(box) as client:
        try:
            told[Offset] = offset(client)
        except SILENT as fault:
            why[Offset] = _words(fault)
        try:
            for line in _lines(client, hub):
                kind = PARTS[line.part]
                if line.told is None:
                    why[kind] = line.why
                else:
                    told[kind] = msgspec.convert(line.told, kind)
                heard(line.part)
        except SILENT as fault:
            asked = {kind for kind in PARTS.values() if hub or kind is not Hub}
            why |= dict.fromkeys(asked - told.keys() - why.keys(), _words(fault))
    return Measured(told, why)


@contextmanager
def connected(box: BoxSpec) -> Iterator[paramiko.SSHClient]:
    """A session as the site file says, for as long as it is used."""
    client, address = paramiko.SSHClient(), str(box.address)
    client.set_missing_host_key_policy(OtherKey(box))
    name = address if box.ssh_port == SSH_PORT else f"[{address}]:{box.ssh_port}"
    kind, _, key = box.host_key.partition(" ")
    client.get_host_keys().add(name, kind, paramiko.Ed25519Key(data=base64.b64decode(key)))
    try:
        dial(client, address, box.ssh_port, box.ssh_user)
        yield client
    except paramiko.BadHostKeyException as fault:
        raise _strange(box) from fault
    except paramiko.AuthenticationException as fault:
        raise Unreachable(
            f"{box.name} at {address} lets {box.ssh_user} in with no key of ours",
            "put what `edgedrop key` prints into its authorized_keys",
        ) from fault
    except (OSError, EOFError, paramiko.SSHException) as fault:
        why = f"{box.name} at {address} does not answer: {_words(fault)}"
        raise Unreachable(why, "is it on, and its cable in?") from fault
    finally:
        client.close()


def offset(client: paramiko.SSHClient) -> Offset:
    """By the shortest of a few round trips."""
    found = []
    for _ in range(ASKED):
        before = time.time()
        _, answer, _ = client.exec_command("date +%s.%N", timeout=CONNECT_S)
        there = float(answer.read())
        after = time.time()
        found.append(Offset(seconds=there - (before + after) / 2, error_s=(after - before) / 2))
    return min(found, key=lambda one: one.error_s)


def _lines(client: paramiko.SSHClient, hub: str) -> Iterator[Line]:
    """What `measure.py` says there; EOFError with its last words where it ended too early."""
    deadline = time.monotonic() + WHOLE_S
    program, answer, faults = client.exec_command(f"python3 - {shlex.quote(hub)}", timeout=QUIET_S)
    program.write(SCRIPT.read_bytes())
    program.channel.shutdown_write()
    for line in answer:
        yield msgspec.json.decode(line, type=Line)
        if time.monotonic() > deadline:
            raise TimeoutError(f"it took longer than {WHOLE_S} s")
    if answer.channel.recv_exit_status() != 0:
        last = faults.read().decode(errors="replace").strip().splitlines()
        raise EOFError(last[-1] if last else "it ended too early")


def _strange(box: BoxSpec) -> NotVerified:
    return NotVerified(
        f"{box.name} at {box.address} shows another host key than the site file says",
        "read its key on site (inventory/sites/old-quay.yaml says how); if it is right, somebody is in between",
    )


def _words(fault: BaseException) -> str:
    return getattr(fault, "strerror", None) or str(fault) or "it fell silent"
