"""The watch: one look at the node's services, at most one step of the ladder. A timer starts it, nothing of it stays.

A container that somebody stopped, or that the engine is starting again, is not its matter: only what runs and does not
answer. Whether hub or bus are reached is not looked at.
"""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from node_image import durable
from node_image.recovery import doing, ladder, telling
from node_image.recovery.ladder import History, Look, Step
from node_image.recovery.memory import Busy, Memory
from node_image.recovery.place import Place
from node_image.recovery.running import run
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient, SignerRefused

ANSWER_S = 5.0
SIGNER = Path("/var/lib/docker/volumes/edgedrop-run/_data/signer.sock")
MINT, BUS = "http://127.0.0.1:8080/livez", "http://127.0.0.1:8222/healthz"


def speaks(url: str) -> bool:
    """Whether an HTTP server answers there; what it says is its own matter."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=ANSWER_S):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def signs(socket: Path) -> bool:
    """Whether a signer answers; that it refuses is an answer."""
    try:
        asyncio.run(SignerClient(socket, ANSWER_S).ask("status"))
    except SignerAway:
        return False
    except SignerRefused:
        return True
    return True


PROBES: Mapping[str, Callable[[], bool]] = {
    "mint": lambda: speaks(MINT),
    "bus": lambda: speaks(BUS),
    "signer": lambda: signs(SIGNER),
}


def look(probes: Mapping[str, Callable[[], bool]] = PROBES) -> Look:
    """Once around; a service that does not run is not asked."""
    shown = run(("docker", "ps", "--filter", "status=running", "--format", "{{.Names}}"), telling.LOOK_S)
    running = set(shown.text.split()) if shown.ok else set()
    hung = {name for name, probe in probes.items() if f"edgedrop-{name}" in running and not probe()}
    return Look(int(time.clock_gettime(time.CLOCK_BOOTTIME)), frozenset(hung), shown.ok)


class Kept:
    """The history: in /run what a reboot ends, on disk the reboots."""

    def __init__(self, place: Place) -> None:
        self._seen, self._reboots = place.watch / "seen.json", place.memory / "reboots"

    def read(self) -> History:
        """What can't be read was never seen; but then no reboot is one that may still be had."""
        try:
            found = msgspec.json.decode(self._seen.read_bytes(), type=History)
        except (OSError, msgspec.DecodeError):
            found = History()
        try:
            reboots = int(self._reboots.read_text())
        except FileNotFoundError:
            reboots = 0
        except (OSError, ValueError):
            reboots = ladder.REBOOTS
        return msgspec.structs.replace(found, reboots=reboots)

    def write(self, history: History) -> None:
        """Before anything is done; OSError where it can't be, so that nothing is done."""
        if history.reboots != self.read().reboots:  # a full disk keeps it from a reboot, not from a restart
            _replace(self._reboots, str(history.reboots).encode())
        _replace(self._seen, msgspec.json.encode(history))


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable.write(path, data)


def words(step: Step) -> tuple[str, ...]:
    """A step's fixed list."""
    if step.do == "restart":
        return doing.restart(step.what)
    return doing.RESTART_ENGINE if step.do == "engine" else doing.REBOOT


def turn(place: Place, seen: Look) -> Step | None:
    """One look put to the ladder; what was done."""
    kept = Kept(place)
    history = ladder.seen(kept.read(), seen)
    step = ladder.next_step(history, seen)
    kept.write(ladder.done(history, step) if step else history)
    if step:
        log("the watch acts", level="warning", do=step.do, what=step.what, ill=sorted(seen.ill))
        done = run(words(step))
        log("the watch acted", do=step.do, what=step.what, ok=done.ok, said=done.text.strip()[-300:])
    return step


def main() -> int:
    """One turn, unless a command is being done: one hand at a time."""
    place = Place.here()
    try:
        with Memory(place.memory).alone(wait_s=0):
            turn(place, look())
    except Busy:
        log("a command is being done: the watch looks away")
    return 0


if __name__ == "__main__":
    sys.exit(main())
