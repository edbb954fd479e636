"""An act of the holders with its signatures: carried from holder to holder as JSON, in any order. Pure.

The contract asks for the signatures by the holder's number, ascending: `numbered`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from coincurve import PrivateKey

from node_image.protocol.acts import Act, Holder, when
from node_image.protocol.create2 import checksummed
from node_image.protocol.eip712 import Domain, digest
from node_image.protocol.errors import NotVerified
from node_image.protocol.hexes import unhex
from node_image.protocol.signature import address_of, recover, to_rsv


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A holder's, 0x hex: 65 bytes of an ECDSA holder, whatever the contract of an ERC-1271 holder wants."""

    holder: str
    signature: str


class Collected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An act on its way from holder to holder; the same act on another chain or contract has another digest."""

    schema: Literal[1]
    chain_id: int
    contract: str
    act: Act
    signatures: tuple[Signature, ...] = ()

    def digest(self) -> bytes:
        """What each holder signs."""
        return digest(Domain(self.chain_id, unhex(self.contract)).separator, self.act.struct_hash())

    def words(self) -> str:
        """What the holder is told, with where and until when it holds."""
        return (
            f"{self.act.words()} Contract {self.contract} on chain {self.chain_id}, valid until "
            f"{when(self.act.deadline)}, digest 0x{self.digest().hex()}."
        )


def dump(collected: Collected) -> bytes:
    """As JSON."""
    return msgspec.json.format(msgspec.json.encode(collected), indent=1)


def load(data: bytes) -> Collected:
    """From JSON; NotVerified where it is none."""
    try:
        return msgspec.json.decode(data, type=Collected)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise NotVerified(f"this is no act of the holders: {fault}") from fault


def sign(collected: Collected, key: str, holders: Sequence[Holder]) -> Collected:
    """With the signature of the holder whose private key (0x hex) it is."""
    private = PrivateKey.from_hex(key.removeprefix("0x"))
    public = private.public_key.format(compressed=False)
    hashed = collected.digest()
    rsv = to_rsv(hashed, private.sign_recoverable(hashed, hasher=None)[:64], public)
    return add(collected, Signature(checksummed(address_of(public)), "0x" + rsv.hex()), holders)


def signer(collected: Collected, signature: str) -> str:
    """The account whose ECDSA signature (0x hex) it is, under this very act, checksummed."""
    return checksummed(recover(collected.digest(), unhex(signature)))


def add(collected: Collected, given: Signature, holders: Sequence[Holder]) -> Collected:
    """With one more signature; a holder's second one takes the place of the first. NotVerified where it isn't one."""
    holder = next((one for one in holders if _same(one.address, given.holder)), None)
    if holder is None:
        raise NotVerified(f"{given.holder} is none of the holders")
    # What a contract holder's signature means, only that contract can tell.
    if holder.kind == "ecdsa" and recover(collected.digest(), unhex(given.signature)) != unhex(holder.address):
        raise NotVerified(f"the signature is not {holder.address}'s, or not under this act")
    others = [one for one in collected.signatures if not _same(one.holder, holder.address)]
    return msgspec.structs.replace(collected, signatures=(*others, Signature(holder.address, given.signature)))


def merge(collected: Collected, others: Iterable[Collected], holders: Sequence[Holder]) -> Collected:
    """The signatures of several copies of one act together."""
    for other in others:
        if other.digest() != collected.digest():
            raise NotVerified("these are signatures under different acts")
        for given in other.signatures:
            collected = add(collected, given, holders)
    return collected


def missing(collected: Collected) -> int:
    """How many signatures it still needs."""
    return max(0, collected.act.needed - len(collected.signatures))


def numbered(collected: Collected, holders: Sequence[Holder]) -> list[tuple[int, bytes]]:
    """As many signatures as are needed, as the contract takes them: by the holder's number; NotVerified if too few."""
    checked = merge(msgspec.structs.replace(collected, signatures=()), [collected], holders)
    if short := missing(checked):
        raise NotVerified(f"{short} more of the holders must sign")
    given = {one.holder: unhex(one.signature) for one in checked.signatures}
    ordered = [(at, given[holder.address]) for at, holder in enumerate(holders) if holder.address in given]
    return ordered[: checked.act.needed]


def _same(a: str, b: str) -> bool:
    return a.lower() == b.lower()
