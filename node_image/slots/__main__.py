"""The installer on a box, python3 /usr/local/lib/edgedrop/slots.pyz (infra/installer.py); it answers in JSON.

tell | lacks <slot.json | pull REGISTRY PORT REFERENCE.. | stage [--again] <tar | begin | back | go-on
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from node_image.slots import content, decide
from node_image.slots.content import ETC, Faulty, Slot
from node_image.slots.decide import State
from node_image.slots.disk import APPLIED, Disk
from node_image.slots.engine import Engine, EngineFault
from node_image.slots.health import health
from node_image.slots.install import Installer, Refused, alone
from node_image.slots.pull import pull

LIB = Path("/var/lib/edgedrop")
UNIT = "edgedrop-slots.service"
REFUSED, USAGE = 1, 2


def this_box() -> Installer:
    """Its real parts."""
    disk, engine = Disk(ETC, LIB), Engine()
    return Installer(disk, engine, lambda: health(engine.shown().values()), _remember)


def _remember(slot: Slot) -> None:
    """What was put on the node is what `pulumi preview` compares with."""
    scope = {"services": [one.service for one in slot.containers], "ground": False, "told": dict(slot.told)}
    import_module("remember").remember(LIB / APPLIED, scope)  # the role's own, beside us in slots.pyz


def tell(box: Installer) -> dict[str, Any]:
    """Where it stands and how it is."""
    return {"state": asdict(box.disk.load()), "health": asdict(box.ask())}


def lacks(box: Installer) -> dict[str, Any]:
    """What of a slot is not on this box yet, and why it would be refused."""
    slot = content.read(sys.stdin.buffer.read())
    images = sorted({one.image for one in slot.containers if not box.engine.has_image(one.image)})
    return {"images": images, "files": box.disk.lacks(slot), "refused": box.refusal(slot, again=_again())}


def stage(box: Installer) -> dict[str, Any]:
    """A slot from a tar file on standard input."""
    with alone(wait=False):
        return asdict(box.stage(sys.stdin.buffer, again=_again()))


def begin(box: Installer) -> dict[str, Any]:
    """Have systemd try it: whoever asked may go."""
    with alone(wait=False):
        state = box.begin()
    return _left_to_systemd(state)


def back(box: Installer) -> dict[str, Any]:
    """The same with what is in the other slot; one that was begun and left goes on first."""
    begun = box.disk.load()
    if decide.step(begun) is not decide.Step.REST:
        _left_to_systemd(begun)
    with alone(wait=False):
        state = box.go_back()
    return _left_to_systemd(state)


def go_on(box: Installer) -> dict[str, Any]:
    """At boot, and when it was begun."""
    with alone(wait=True):
        return asdict(box.go_on())


def _left_to_systemd(state: State) -> dict[str, Any]:
    subprocess.run(["systemctl", "start", "--no-block", UNIT], capture_output=True, timeout=30, check=True)
    return asdict(state)


def _again() -> bool:
    return "--again" in sys.argv


ASKED: dict[str, Callable[[Installer], dict[str, Any]]] = {
    "tell": tell,
    "lacks": lacks,
    "stage": stage,
    "begin": begin,
    "back": back,
    "go-on": go_on,
}


def main(words: Sequence[str]) -> int:
    """Do what is asked; why not is on standard error."""
    try:
        if words[:1] == ["pull"]:
            pull(words[1], int(words[2]), words[3:])
        elif words and words[0] in ASKED:
            json.dump(ASKED[words[0]](this_box()), sys.stdout)
        else:
            sys.stderr.write(__doc__ or "")
            return USAGE
    except (Refused, Faulty, EngineFault) as fault:
        sys.stderr.write(f"{fault}\n")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
