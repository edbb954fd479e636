"""Reserve vouchers: the node's enrolment key's word for a claim that the lease key can't sign now."""

from __future__ import annotations

from node_image.protocol import frames, reserve
from node_image.protocol.eip712 import digest
from node_image.protocol.facts import DropFacts
from node_image.protocol.hexes import unhex
from node_image.protocol.reserve import ReserveVoucher
from node_image.protocol.signature import address_of
from node_image.signer.keystores import Key

AT_ONCE = 32  # each is a signature of its own, and the claims of one group wait for all of them


def label(node: str) -> str:
    """The enrolment key's in the keystore: the node's, for all its drops and epochs."""
    return f"enrol/{node}"


class Reserves:
    """Signs them."""

    def __init__(self, facts: DropFacts, key: Key) -> None:
        self._facts, self._key = facts, key
        self._grant_id, self._separator = unhex(facts.grant_id), facts.domain().separator

    @property
    def public(self) -> bytes:
        """The enrolment key, uncompressed."""
        return self._key.public

    @property
    def address(self) -> bytes:
        """The enrolment key's."""
        return address_of(self._key.public)

    def check(self) -> None:
        """QuotaSpent where no signature is left for now."""
        self._key.check()

    def make(self, told: frames.Reserve, reason: str) -> ReserveVoucher:
        """The document for a RESERVE frame that is durable; asked again, the same but for the signature's bytes."""
        struct = reserve.of_frame(self._grant_id, told)
        signature = self._key.sign(digest(self._separator, struct.struct_hash()))
        return reserve.build(self._facts, self._grant_id, told, reason, self.address, signature)
