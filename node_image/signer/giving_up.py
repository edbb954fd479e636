"""A node's keys, until it gives them up for good: before its box leaves our hands.

The owner's command is on the disk beside the journals before the first key goes, with the keys' public halves and each
grant's close-out: from then on no key signs here, whoever is killed, and whoever starts next destroys what is left.
The journals stay, and what they hold is still answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from node_image import durable
from node_image.protocol import command
from node_image.protocol.command import ReleaseKeys
from node_image.protocol.errors import CommandRefused
from node_image.protocol.facts import DropFacts
from node_image.service import log
from node_image.signer import reserves
from node_image.signer.core import Refused, Signer
from node_image.signer.keystores import HsmFault, Key, Report, Shared

AGAIN_S = 2.0
KIND = "given up"
REASON = "this node gave its keys up for good, by the owner's command: it signs nothing more"


class GivenUp(msgspec.Struct, frozen=True):
    """What is left: the command, public keys by label, and the close-outs by the hash that they sign."""

    envelope: bytes
    public: dict[str, bytes]
    close_outs: dict[str, bytes]


class NodeKeys:
    """The keys of a node's grants, and its enrolment key; `signers` by epoch, as they come up."""

    def __init__(self, facts: DropFacts, keystore: Shared, journals: Path) -> None:
        self._facts, self._keystore = facts, keystore
        self._path = journals / f"{facts.drop}.{facts.node}.given-up"
        self._one_at_a_time = asyncio.Lock()
        self.signers: dict[int, Signer] = {}
        self.given_up = msgspec.msgpack.decode(self._path.read_bytes(), type=GivenUp) if self._path.exists() else None

    def key(self, label: str) -> Key:
        """As a keystore's; HsmFault where it has none, and for one that was never made before they were given up."""
        if self.given_up is None:
            inner = self._keystore.key(label)
            return NodeKey(self, inner.public, inner)
        if label not in self.given_up.public:
            raise HsmFault(REASON)
        return NodeKey(self, self.given_up.public[label], None)

    async def give_up(self, envelope: bytes) -> list[str]:
        """Destroy them all, once each grant is closed; their labels. Said again the same; Refused with the reason."""
        self._check(envelope)
        async with self._one_at_a_time:
            if self.given_up is None:
                left = await self._left(envelope)
                await asyncio.to_thread(durable.write, self._path, msgspec.msgpack.encode(left))
                self.given_up = left
            try:
                await asyncio.to_thread(self._destroy, self.given_up)
            except HsmFault as fault:
                raise Refused("stopped", f"given up, and not destroyed yet: {fault}") from fault
        return sorted(self.given_up.public)

    async def finish(self) -> None:
        """What a killed one left; an HSM that is out is waited for."""
        while self.given_up is not None:
            try:
                await asyncio.to_thread(self._destroy, self.given_up)
            except HsmFault as fault:
                log("keys that were given up are not destroyed yet", level="warning", reason=str(fault))
            else:
                return
            await asyncio.sleep(AGAIN_S)

    def _check(self, envelope: bytes) -> None:
        """The owner's own word, whoever brings it: the door, or one who stole its rights."""
        try:
            told, _ = command.read(envelope, {command.OWNER: self._facts.owner_public_key.encode()})
        except CommandRefused as refusal:
            raise Refused("bad_command", str(refusal)) from refusal
        if not isinstance(told.action, ReleaseKeys) or told.node != self._facts.node:
            raise Refused("bad_command", f"it does not have {self._facts.node} give its keys up")

    async def _left(self, envelope: bytes) -> GivenUp:
        public, close_outs = {}, {}
        for one in self._facts.each():
            signer = self.signers.get(one.epoch)
            if signer is None:
                raise Refused("not_ready", f"the signer of epoch {one.epoch} does not serve yet")
            hashed, signature = await signer.last_word()
            public[label(one)], close_outs[hashed.hex()] = signer.public, signature
            public[reserves.label(one.node)] = signer.reserves.public
        return GivenUp(envelope, public, close_outs)

    def _destroy(self, given_up: GivenUp) -> None:
        keystore = self._keystore.opened()
        for one in given_up.public:
            keystore.destroy(one)


class NodeKey:
    """One of them. After they were given up it says the close-out that it signed before, and nothing else."""

    def __init__(self, keys: NodeKeys, public: bytes, inner: Key | None) -> None:
        self._keys, self._inner = keys, inner
        self.public = public

    def check(self) -> None:
        """As the keystore's."""
        self._ask(lambda key: key.check())

    def warm(self) -> None:
        """As the keystore's."""
        self._ask(lambda key: key.warm())

    def sign(self, digest: bytes) -> bytes:
        """As the keystore's."""
        if self._keys.given_up is not None and digest.hex() in self._keys.given_up.close_outs:
            return self._keys.given_up.close_outs[digest.hex()]
        if self._keys.given_up is not None or self._inner is None:
            raise HsmFault(REASON)
        return self._inner.sign(digest)

    def report(self) -> Report:
        """As the keystore's, while there is a key."""
        if self._keys.given_up is not None or self._inner is None:
            return Report(KIND, REASON, None, None, None)
        return self._inner.report()

    def _ask(self, what: Callable[[Key], None]) -> None:
        if self._keys.given_up is None and self._inner is not None:
            what(self._inner)


def label(facts: DropFacts) -> str:
    """A grant's key in the keystore."""
    return f"{facts.drop}/{facts.node}/{facts.epoch}"
