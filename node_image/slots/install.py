"""Does what `decide` says, one step after the other, each written down before it is done."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from node_image.slots import decide
from node_image.slots.content import Container, Faulty, Slot
from node_image.slots.decide import Health, State, Step
from node_image.slots.disk import Disk
from node_image.slots.engine import Engine, EngineFault, same, taken_over

GATE_S = 60.0
PATIENT_S = 12.0  # a witness is asked every few seconds
POLL_S = 0.5
SURE = 3  # good looks in a row: one that dies at once is not good
PLAY = Path("/run/edgedrop.play")  # whose lock a play holds (infra/provision/lock.py)


class Refused(Exception):
    """What is not begun, with the reason; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Installer:
    """The box: its disk, its engine, and how its health is asked."""

    disk: Disk
    engine: Engine
    ask: Callable[[], Health]
    remember: Callable[[Slot], None]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def refusal(self, wanted: Slot, *, again: bool) -> str:
        """Why this slot's content is not taken, "" where it is."""
        return decide.refusal(self.disk.load(), wanted.release, self._lost(wanted, self._running()), again=again)

    def stage(self, stream: IO[bytes], *, again: bool) -> State:
        """Fill the free slot, and write down what runs as the other; what runs goes on."""
        state = self.disk.load()
        if decide.step(state) is not Step.REST:
            raise Refused(decide.refusal(state, "", "", again=again))
        running, free = self._running(), decide.other(state.current)
        wanted = self.disk.stage(free, stream)
        if why := self.refusal(wanted, again=again) or self._missing(wanted):
            raise Refused(why)
        current = ""
        if running:
            current = decide.other(free)
            self.disk.take_over(current, running)
            self.disk.switch(current)
        return self.disk.save(decide.staged(state, free, wanted.release, current))

    def begin(self) -> State:
        """From now on the staged slot is tried, whoever is killed."""
        state = self.disk.load()
        if state.phase is not decide.Phase.STAGED:
            raise Refused(f"nothing is staged: this box is {state.phase}")
        return self.disk.save(decide.begun(state, self.ask()))

    def go_back(self) -> State:
        """From now on the other slot is tried, as a release that was staged, whoever is killed; what runs is kept."""
        state, running = self.disk.load(), self._running()
        slot = decide.other(state.current)
        wanted = self.disk.slot(slot) if self.disk.holds(slot) else None
        held = wanted.release if wanted else ""
        lost = (self._lost(wanted, running) or self._missing(wanted)) if wanted else ""
        if why := decide.no_way_back(state, held, lost):
            raise Refused(why)
        if running:
            self.disk.take_over(state.current, running)
            self.disk.switch(state.current)
        return self.disk.save(decide.begun(decide.staged(state, slot, held, state.current), self.ask()))

    def go_on(self) -> State:
        """To an end: the new release, or the old one."""
        state = self.disk.load()
        while (step := decide.step(state)) is not Step.REST:
            if step is Step.TRY:
                state = self._try(state)
            elif step is Step.SWITCH:
                self.disk.switch(state.slot)
                self.remember(self.disk.slot(state.slot))
                state = self.disk.save(decide.committed(state))
            else:
                self._back(state)
                state = self.disk.save(decide.rolled_back(state))
        return state

    def _try(self, state: State) -> State:
        state = self.disk.save(decide.attempted(state))
        if decide.step(state) is not Step.TRY:
            return state
        try:
            slot = self._activate(state.slot)
            why = self._judged(state, slot)
        except (EngineFault, Faulty, OSError) as fault:
            why = str(fault)
        self.disk.give_way()  # before anything is written on a disk that may be full
        return self.disk.save(decide.failed(state, why) if why else decide.passed(state))

    def _back(self, state: State) -> None:
        self.disk.give_way()
        if state.current:
            self._activate(state.current)
            self.disk.remembered(state.current)
        else:
            for name in self.engine.shown():
                self.engine.remove(name)

    def _activate(self, name: str) -> Slot:
        """Its containers and no others of ours run, with its files. A second time it changes nothing.

        A container goes before its files do: one that is there has seen the files that are there.
        """
        slot, shown = self.disk.slot(name), self.engine.shown()
        for gone in set(shown) - {one.name for one in slot.containers}:
            self.engine.remove(gone)
        for one in slot.containers:
            there = shown.get(one.name)
            if there is None or not same(one, there) or self.disk.differs(one):
                self.engine.remove(one.name)
                self.disk.lay_out(name, one)
                self.engine.create(one)
            self.engine.start(one.name)
        return slot

    def _judged(self, state: State, slot: Slot) -> str:
        """Until it is good, or was not for too long; why not."""
        begun, good = self.clock(), 0
        wanted, before = frozenset(one.service for one in slot.containers), state.before or self.ask()
        while True:
            now, passed = self.ask(), self.clock() - begun
            dead = decide.hopeless(before, now)
            why = dead or decide.gate(before, now, wanted, patient=passed > PATIENT_S)
            good = 0 if why else good + 1
            if good == SURE or dead or passed > GATE_S:
                return why
            self.pause(POLL_S)

    def _lost(self, wanted: Slot, running: tuple[Container, ...]) -> str:
        old = {path: name for one in running for path, name in one.volumes.items()}
        return decide.lost(old, wanted.volumes, self.engine.volumes())

    def _missing(self, wanted: Slot) -> str:
        missing = [one.image for one in wanted.containers if not self.engine.has_image(one.image)]
        return f"the image {missing[0]} is not here" if missing else ""

    def _running(self) -> tuple[Container, ...]:
        """What is on the box now."""
        return tuple(taken_over(one, self.disk.etc, self.disk.files_of) for one in self.engine.shown().values())


@contextmanager
def alone(*, wait: bool, path: Path = PLAY) -> Iterator[None]:
    """No play and no other installer meanwhile; Refused where one is at work and nobody waits for it."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise Refused("a play or another re-image is at work on this box: wait for its end") from fault
        yield
