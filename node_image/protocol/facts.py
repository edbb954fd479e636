"""What a node is told of its drop: `drop.json` (docs/architecture.md)."""

from __future__ import annotations

import msgspec

from node_image.protocol import dsse
from node_image.protocol.eip712 import Domain
from node_image.protocol.errors import NotVerified

CLOUD = "-cloud"
PAYLOAD_TYPE = "application/vnd.edgedrop.facts+json"


class CurrencyFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An ERC-20, and how its amounts are told to people."""

    address: str
    symbol: str
    decimals: int


class TierFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tier as buyers and the signer see it; `slot_base` is its first bit among a holder's 224.

    `price_wei` is in the smallest unit of its currency: of the chain's coin where none is named.
    """

    tier: int
    name: str
    title: str
    price_wei: int
    wallet_cap: int
    slot_base: int
    sku: str | None = None
    currency: CurrencyFacts | None = None


class EpochFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A later grant of a node: its first one stands in the facts themselves."""

    epoch: int
    grant_id: str


class DropFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything planning knows that a node needs; times in Unix seconds, hashes and addresses as 0x hex.

    `ledger_url` is the hub's ledger, for what receipts say of anchors; a node does without it. `witnesses` are the
    public keys, PEM, of those who may vouch for its journal, by name; where there are none, nothing is signed.
    `witness_places` (host:port) are of those among them who stand at the site and are told how far it goes. `later`
    are the epochs that were opened after `epoch`, oldest first (edgedrop rotate). `cloud_signer` (host:port) signs for
    a node whose HSM is out; empty where planning gave it no lease for this node.
    """

    schema: int
    drop: str
    title: str
    chain_id: int
    contract: str
    manifest_digest: str
    owner_public_key: str
    node: str
    geo: str
    epoch: int
    grant_id: str
    opens_at: int
    closes_at: int
    redeem_by: int
    tiers: tuple[TierFacts, ...]
    ledger_url: str = ""
    witnesses: dict[str, str] = {}
    witness_places: dict[str, str] = {}
    later: tuple[EpochFacts, ...] = ()
    cloud_signer: str = ""

    def each(self) -> tuple[DropFacts, ...]:
        """The facts of each epoch by itself, oldest first: what the signer of one grant is told."""
        others = (msgspec.structs.replace(self, epoch=one.epoch, grant_id=one.grant_id) for one in self.later)
        return tuple(msgspec.structs.replace(one, later=()) for one in (self, *others))

    def domain(self) -> Domain:
        """The EIP-712 domain of the drop's contract."""
        return Domain(self.chain_id, bytes.fromhex(self.contract.removeprefix("0x")))


def cloud_node(node: str) -> str:
    """The node that a node's grant at the cloud signer is for. Nodes end in a number: none of a drop has this name."""
    return node + CLOUD


def parse(data: bytes) -> DropFacts:
    """The facts from `drop.json`; msgspec.ValidationError names the path that is wrong."""
    return msgspec.json.decode(data, type=DropFacts)


def sign(facts: DropFacts, private_pem: bytes) -> bytes:
    """In the owner's envelope: how the hub's cloud signer is told of a grant."""
    return dsse.sign(PAYLOAD_TYPE, msgspec.json.encode(facts, order="sorted"), private_pem)


def verify(envelope: bytes, public_pem: bytes) -> DropFacts:
    """The facts that the owner signed and that name that owner; else NotVerified."""
    try:
        found = parse(dsse.verify(envelope, PAYLOAD_TYPE, public_pem))
    except msgspec.DecodeError as fault:
        raise NotVerified(f"the facts are not of schema 1: {fault}") from fault
    if found.owner_public_key.encode() != public_pem:
        raise NotVerified("the facts name another owner than the one who signed them")
    return found
