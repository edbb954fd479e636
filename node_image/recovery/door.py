"""The door: one process a command, root. It verifies, puts the command on disk as begun, does it, and says what came.

systemd starts it for each connection to a socket that the agent alone may open (`Accept=yes`): nothing of it stays,
and whoever carries a command can neither change it nor have it done twice. Killed between the two writes it leaves a
command that is begun and not known to be done; that one is not done again either.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import msgspec

from node_image.protocol import command
from node_image.protocol.command import Command, Logs, Stands, Status
from node_image.protocol.errors import CommandRefused
from node_image.recovery import clock, doing
from node_image.recovery.answer import ASK, Answer, Outcome, Record, Refused, Taken
from node_image.recovery.doing import Order
from node_image.recovery.memory import Busy, Lost, Memory, Questions
from node_image.recovery.place import Place
from node_image.service import log


class Door:
    """One request's."""

    def __init__(self, place: Place) -> None:
        self._place, self._facts = place, place.facts()
        self._memory, self._questions = Memory(place.memory), Questions(place.run)
        self._boot = clock.boot()

    def answer(self, asked: bytes) -> Answer:
        """To `ASK` how the box stands, to anything else what became of the command in it."""
        try:
            if asked == ASK:
                return self._answer(running=self._memory.runs(), nonce=self._questions.draw())
            wanted, by = command.read(asked, self._keys)
            with self._memory.alone():
                self._admit(wanted, by)
                outcome = self._do(wanted, by, asked)
            return self._answer(outcome=outcome)
        except CommandRefused as refusal:
            return self._refused(refusal.code, refusal.reason)
        except Busy:
            return self._refused("busy", "another command is being done")
        except Lost as fault:
            return self._refused("not_remembered", str(fault))

    @property
    def _keys(self) -> dict[str, bytes]:
        return {name: pem.encode() for name, pem in self._facts.keys.items()}

    def _admit(self, wanted: Command, by: str) -> None:
        """CommandRefused where it must not be done."""
        newest = self._memory.read().newest
        stands = Stands(newest.sequence if newest else 0, clock.interval(), self._questions.open())
        command.check(wanted, by, self._facts.box, stands)
        self._questions.spend(wanted.nonce)

    def _do(self, wanted: Command, by: str, envelope: bytes) -> Outcome:
        """Once, whatever happens: it is on disk as begun before it is done."""
        do = str(wanted.action.__struct_config__.tag)
        taken = Taken(wanted.sequence, do, by, self._boot, "begun")
        acts = not isinstance(wanted.action, (Status, Logs))
        self._memory.keep(taken, acts=acts)
        log("command begun", node=self._facts.node, sequence=wanted.sequence, do=do, by=by)
        try:
            outcome = doing.do(Order(wanted.action, taken, envelope), self._facts, self._place)
        except CommandRefused as refusal:
            self._end(msgspec.structs.replace(taken, state="failed", said=str(refusal)), acts=acts)
            raise
        self._end(
            msgspec.structs.replace(taken, state="done" if outcome.ok else "failed", said=outcome.said), acts=acts
        )
        return outcome

    def _end(self, ended: Taken, *, acts: bool) -> None:
        """Where it can't be kept it stays begun, and whoever asked is told what came of it."""
        log("command ended", node=self._facts.node, sequence=ended.sequence, state=ended.state, said=ended.said)
        with suppress(Lost):
            self._memory.keep(ended, acts=acts)

    def _refused(self, code: str, reason: str) -> Answer:
        log("command refused", level="warning", node=self._facts.node, code=code, reason=reason)
        return self._answer(refused=Refused(code, reason))

    def _answer(
        self, *, running: bool = False, nonce: str = "", refused: Refused | None = None, outcome: Outcome | None = None
    ) -> Answer:
        time, facts = clock.interval(), self._facts
        try:
            record = self._memory.read()
        except Lost as fault:
            record, refused = Record(), refused or Refused("not_remembered", str(fault))
        return Answer(
            schema=1,
            stack=facts.stack,
            node=facts.node,
            boot=self._boot,
            time=(time.lo, time.hi),
            newest=record.newest,
            acted=record.acted,
            running=running,
            nonce=nonce,
            refused=refused,
            outcome=outcome,
        )


def main() -> int:
    """One request on stdin, one answer on stdout."""
    asked = sys.stdin.buffer.read(command.MOST_BYTES + 1)
    sys.stdout.buffer.write(msgspec.json.encode(Door(Place.here()).answer(asked)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
