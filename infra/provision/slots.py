"""The box's installer (node_image/slots), asked over a session: what it lacks, its images, its slot, how it goes."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from infra import installer
from infra.bundle.images import Images
from infra.errors import EdgedropError, Unreachable
from infra.provision.image_server import ImageServer
from infra.provision.session import Session
from infra.provision.ssh import Host
from infra.provision.wait import until
from infra.slot import SlotDocument

ASK_S = 60.0
PULL_S = 900.0
END_S = 240.0  # 60 s of gates, twice, and what Docker takes for both
UNIT = "edgedrop-slots.service"
INSTALLER = f"python3 {installer.PLACE}"
STATE = "/var/lib/edgedrop/slots/state.json"
UNDER_WAY = ("trying", "committing", "rolling back")
ENDS = ("committed", "rolled back")


class Health(msgspec.Struct, frozen=True):
    """As node_image/slots/decide.py has it."""

    running: list[str]
    restarts: dict[str, int]
    answers: bool
    ready: bool
    reason: str
    waits: str
    journal: dict[str, int]


class State(msgspec.Struct, frozen=True):
    """As node_image/slots/decide.py has it."""

    phase: str
    current: str
    slot: str
    release: str
    tries: int
    before: Health | None
    bad: list[str]
    why: str


class Told(msgspec.Struct, frozen=True):
    """Where the box stands, and how its node is."""

    state: State
    health: Health


class Lacks(msgspec.Struct, frozen=True):
    """What of a slot the box has not; `refused` is why it would not take it."""

    images: list[str]
    files: list[str]
    refused: str


def state_of(host: Host) -> State | None:
    """What the box's disk says, without a session; None where it was never re-imaged, or says nothing."""
    said = host.run(f"cat {STATE}")
    try:
        return msgspec.json.decode(said.stdout, type=State) if said.returncode == 0 else None
    except msgspec.DecodeError:
        return None


def failed_on(host: Host, release: str) -> str:
    """Why the box took this release back; empty where it didn't."""
    state = state_of(host)
    if state is None or release not in state.bad:
        return ""
    return f"release {release[:12]} failed on it before" + (f" ({state.why})" if state.why else "")


@dataclass(frozen=True, slots=True)
class Installer:
    """The installer of one box."""

    session: Session

    def current(self, pyz: bytes, registry: str) -> bool:
        """Whether this very installer is there, its unit is on, and an engine that pulls from the registry runs."""
        told = (
            f"sha256sum < {installer.PLACE} && systemctl is-enabled {UNIT} && docker version >/dev/null"
            f" && grep -q {shlex.quote(json.dumps(registry))} /etc/docker/daemon.json"
        )
        said = self.session.run(told, seconds=ASK_S)
        return said.code == 0 and said.out.decode().split()[0] == hashlib.sha256(pyz).hexdigest()

    def tell(self) -> Told:
        """Where it stands."""
        return self._ask("tell", Told)

    def lacks(self, document: SlotDocument, *, again: bool) -> Lacks:
        """What it needs for this slot."""
        return self._ask("lacks --again" if again else "lacks", Lacks, document.payload())

    def pull(self, registry: str, references: Sequence[str], source: Images, told: Callable[[int], None]) -> None:
        """Images from `source`, under the registry's names; `told` hears of bytes."""
        server = ImageServer(source, told)
        port = self.session.lend(server.serve)
        words = [*INSTALLER.split(), "pull", registry, str(port), *references]
        try:
            for _ in self.session.lines(shlex.join(words), PULL_S):
                pass
        except Unreachable as fault:
            raise (server.faults[0] if server.faults else fault) from fault

    def stage(self, document: SlotDocument, envelope: bytes, files: Mapping[str, bytes], *, again: bool) -> State:
        """Fill the free slot; `files` are those that it lacks, by SHA-256."""
        held = {"slot.json": document.payload(), "release.dsse.json": envelope}
        held |= {f"files/{digest}": data for digest, data in files.items()}
        return self._ask("stage --again" if again else "stage", State, _tar(held))

    def begin(self) -> State:
        """It is tried from now on, whether or not this session lasts."""
        return self._ask("begin", State)

    def go_on(self) -> None:
        """One that was begun is brought to its end, if nobody is at it."""
        self.session.run(f"systemctl start --no-block {UNIT}", seconds=ASK_S)

    def phases(self) -> Iterator[State]:
        """Each state that it comes to, until it is at an end."""
        seen = ""
        while seen not in ENDS:
            state = self._next(seen)
            seen = state.phase
            yield state

    def _next(self, seen: str) -> State:
        found: list[State] = []

        def look() -> tuple[str, str]:
            found.append(self.tell().state)
            return (found[-1].phase, "") if found[-1].phase != seen else ("", f"it is {seen}")

        until(look, END_S, f"{self.session.host.node} came to no end", "it goes on by itself: type the same again")
        return found[-1]

    def _ask[T](self, words: str, kind: type[T], stdin: bytes = b"") -> T:
        said = self.session.run(f"{INSTALLER} {words}", stdin=stdin, seconds=ASK_S)
        if said.code != 0:
            raise EdgedropError(f"{self.session.host.node}: {said.err.splitlines()[-1] if said.err else said.code}")
        try:
            return msgspec.json.decode(said.out, type=kind)
        except msgspec.DecodeError as fault:
            raise EdgedropError(f"{self.session.host.node}'s installer: {fault}", "is it of this release?") from fault


def _tar(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(data)
            tar.addfile(told, io.BytesIO(data))
    return made.getvalue()
