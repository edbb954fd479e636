"""What an action does on the box: a fixed list of words or one file, no shell, a time limit, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from node_image.protocol.command import (
    ENGINE,
    Action,
    Drain,
    Logs,
    Reboot,
    Reimage,
    ReleaseKeys,
    Restart,
    Rollback,
    Status,
    Undrain,
)
from node_image.protocol.errors import CommandRefused
from node_image.recovery import drained, reimaging, telling
from node_image.recovery.answer import Outcome, Taken
from node_image.recovery.drained import Drained
from node_image.recovery.place import Facts, Place
from node_image.recovery.running import INSTALLER, OUTSIDE, run
from node_image.recovery.work import Work

REBOOT = ("systemd-run", "--on-active=2", "--timer-property=AccuracySec=100ms", "systemctl", "reboot")
ROLLBACK = (*OUTSIDE, *INSTALLER, "back")
GIVE_UP = ("docker", "exec", "-i", "edgedrop-signer", "python3", "-m", "node_image.signer", "give-up")
RESTART_ENGINE = ("systemctl", "restart", "docker.service")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, as it was taken, and the envelope that it came in."""

    action: Action
    taken: Taken
    envelope: bytes


def do(order: Order, facts: Facts, place: Place) -> Outcome:
    """Do it; the outcome is told, never raised. CommandRefused where the box stands so that nothing may be done."""
    match order.action:
        case Status():
            outcome = Outcome(True, "told", status=telling.status(place))
        case Logs(lines):
            outcome = Outcome(True, "bundled", bundle=telling.bundle(facts, lines))
        case Restart(service):
            outcome = _outcome(RESTART_ENGINE if service == ENGINE else restart(service))
        case Drain(reason):
            outcome = drain(place, Drained(order.taken.sequence, order.taken.by, reason))
        case Undrain():
            outcome = undrain(place)
        case Rollback():
            outcome = rollback(place)
        case Reimage():
            outcome = reimaging.take(order.action, facts, place)
        case ReleaseKeys():
            outcome = release_keys(order.envelope)
        case Reboot():
            outcome = _outcome(REBOOT)
    return outcome


def restart(service: str) -> tuple[str, ...]:
    """A service's container."""
    return ("docker", "restart", "--time", "10", f"edgedrop-{service}")


def drain(place: Place, told: Drained) -> Outcome:
    """The mint sees it at its next request, running or not yet."""
    try:
        drained.write(place.shared, told)
    except OSError as fault:
        return Outcome(False, f"it is not drained: {place.shared}: {fault.strerror}")
    return Outcome(True, "it takes no new claim until it is told undrain; what it sold is answered")


def undrain(place: Place) -> Outcome:
    """Said again it is done already."""
    try:
        lifted = drained.lift(place.shared)
    except OSError as fault:
        return Outcome(False, f"it stays as it is: {place.shared}: {fault.strerror}")
    return Outcome(True, "it takes claims again" if lifted else "it was not drained")


def rollback(place: Place) -> Outcome:
    """Begun; the installer brings it to its end, the other release or this one."""
    if Work(place).pending:
        raise CommandRefused("no_way_back", "another release is being fetched: status tells how it goes")
    done = run(ROLLBACK)
    if not done.ok:
        raise CommandRefused("no_way_back", done.last)
    try:
        release = json.loads(done.text)["release"]
    except (ValueError, KeyError, TypeError):
        return Outcome(False, f"the installer was not understood: {done.last}")
    return Outcome(True, f"release {release[:12]} is being tried; status tells how it ends")


def release_keys(envelope: bytes) -> Outcome:
    """The signer reads the owner's word itself, and destroys its keys or says why not."""
    done = run(GIVE_UP, stdin=envelope)
    try:
        told = json.loads(done.text)
        if "refused" in told:
            raise CommandRefused(told["refused"]["code"], told["refused"]["reason"])
        return Outcome(True, f"destroyed for good: {', '.join(told['keys'])}; its journals are kept")
    except (ValueError, KeyError, TypeError):
        return Outcome(False, f"the signer was not reached: {done.last}")


def _outcome(words: Sequence[str]) -> Outcome:
    done = run(words)
    return Outcome(done.ok, f"{' '.join(words)}: {done.last or ('done' if done.ok else 'it said nothing')}")
