"""A chain of its own (anvil, its own port), the drop's contract on it, and a lease key that signs like a node."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from eth_account import Account

from node_image.hub.chain import Chain
from node_image.protocol import create2, merkle
from node_image.protocol.acts import Holder
from node_image.protocol.create2 import checksummed
from node_image.protocol.eip712 import Batch, Domain, Voucher, claim_hash, digest, grant_id
from node_image.protocol.signature import address_of, to_rsv

ANVIL = Path(os.environ.get("EDGEDROP_CACHE", Path.home() / ".cache" / "edgedrop")) / "bin" / "anvil"
ARTIFACT = Path(__file__).parents[2] / "contracts" / "build" / "EdgedropToken.json"
OPERATOR = "0x" + "a1" * 32
RELAYER = "0x" + "a2" * 32
HUB = "0x" + "a3" * 32
# In the order of their addresses, as the contract wants them.
HOLDERS = tuple(sorted(("0x" + f"e{n}" * 32 for n in range(3)), key=lambda key: int(Account.from_key(key).address, 16)))
NODE = PrivateKey(b"\x2a" * 32)
OTHER = PrivateKey(b"\x2b" * 32)
PRICE = 10**15 + 7
FOREVER = 2**40 - 1
FREE, PAID = 0, 1
CREATORS = ("0x" + "0c" * 20, "0x" + "0d" * 20, "0x" + "0e" * 20)


@dataclass(frozen=True)
class Split:
    """As infra.plan.model.Split."""

    address: str
    share_bps: int


@dataclass(frozen=True)
class Tier:
    """As infra.plan.model.Tier, what the constructor reads of it."""

    first_token: int
    supply: int
    wallet_cap: int
    slot_base: int
    price_wei: int
    splits: tuple[Split, ...]
    max_lease: int
    operator_cap: int
    currency: str = "0x" + "00" * 20


@dataclass(frozen=True)
class Roles:
    """As infra.plan.model.Roles."""

    owner: str
    operator: str
    hub: str
    holders: tuple[Holder, ...]
    royalty_to: str = CREATORS[0]
    royalty_bps: int = 750


SHARES = tuple(Split(*part) for part in zip(CREATORS, (3333, 3333, 3334), strict=True))
TIERS = (
    Tier(1, 1000, 2, 0, 0, (Split(CREATORS[0], 10_000),), 400, 950),
    Tier(1001, 300, 3, 2, PRICE, SHARES, 200, 285),
)


@contextmanager
def anvil() -> Iterator[str]:
    """A fresh chain's address; the system chooses the port, anvil says which."""
    command = [str(ANVIL), "--port", "0", "--no-request-size-limit"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = next(found[1] for line in process.stdout if (found := re.search(r"Listening on .*:(\d+)", line)))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def address(key: PrivateKey) -> str:
    """A key's address."""
    return checksummed(address_of(key.public_key.format(compressed=False)))


def account(key: str) -> str:
    """An account's address."""
    return str(Account.from_key(key).address)


def opening(tier: int, start: int, quota: int, not_before: int = 0, redeem_by: int = FOREVER) -> dict[str, int]:
    """A lease as planning gives it."""
    return {"tier": tier, "start": start, "quota": quota, "not_before": not_before, "redeem_by": redeem_by}


def wallet(number: int) -> str:
    """A buyer."""
    return "0x" + f"{number + 0xB00000:040x}"


@dataclass(frozen=True)
class World:
    """The chain, the contract and its drop."""

    chain: Chain
    contract: str

    def open(self, name: str, leases: Sequence[dict[str, int]], key: PrivateKey = NODE) -> str:
        """A grant, opened by the operator."""
        grant = "0x" + grant_id("drop", name, 1).hex()
        self.chain.open_grant(OPERATOR, self.contract, grant, address(key), leases)
        return grant

    def vouchers(
        self, grant: str, asked: Sequence[tuple[int, int, str, int]], key: PrivateKey = NODE, batch_seq: int = 0
    ) -> list[dict[str, Any]]:
        """One batch over (tier, seq, to, slot), signed."""
        named = bytes.fromhex(grant[2:])
        leaves = [
            Voucher(named, tier, seq, bytes.fromhex(to[2:]), bytes(20), slot, claim_hash(f"{grant}{tier}{seq}{slot}"))
            for tier, seq, to, slot in asked
        ]
        levels = merkle.tree([leaf.struct_hash() for leaf in leaves])
        batch = Batch(named, batch_seq, levels[-1][0], len(leaves), 1)
        hashed = digest(Domain(31337, bytes.fromhex(self.contract[2:])).separator, batch.struct_hash())
        raw = key.sign_recoverable(hashed, hasher=None)[:64]
        signature = to_rsv(hashed, raw, key.public_key.format(compressed=False))
        return [self._json(leaf, batch, merkle.proof(levels, i), signature) for i, leaf in enumerate(leaves)]

    @staticmethod
    def _json(leaf: Voucher, batch: Batch, proof: list[bytes], signature: bytes) -> dict[str, Any]:
        return {
            "voucher": {
                "tier": leaf.tier,
                "seq": leaf.seq,
                "to": "0x" + leaf.to.hex(),
                "claimKey": "0x" + leaf.claim_key.hex(),
                "slot": leaf.slot,
                "claimHash": "0x" + leaf.claim_hash.hex(),
            },
            "proof": ["0x" + sibling.hex() for sibling in proof],
            "batch": {
                "grantId": "0x" + batch.grant_id.hex(),
                "batchSeq": batch.batch_seq,
                "root": "0x" + batch.root.hex(),
                "count": batch.count,
                "issuedAt": batch.issued_at,
            },
            "signature": "0x" + signature.hex(),
            "price_wei": str(TIERS[leaf.tier].price_wei),
        }


def roles() -> Roles:
    """The test's own accounts."""
    return Roles(account(OPERATOR), account(OPERATOR), account(HUB), tuple(Holder(account(key)) for key in HOLDERS))


def init_code(roles: Roles, tiers: Sequence[Tier] = TIERS) -> bytes:
    """The drop's contract."""
    return create2.constructor_init_code(
        ARTIFACT.read_bytes(),
        name="Harbour Lights",
        symbol="HARBOUR",
        base_uri="edgedrop://drop/metadata/",
        manifest_digest="0x" + "33" * 32,
        roles=roles,
        tiers=tiers,
    )


def world(url: str) -> World:
    """The contract deployed and its accounts filled."""
    chain = Chain(url, stuck_s=2)
    for key in (OPERATOR, RELAYER, HUB, *HOLDERS):
        chain.fund(account(key))
    return World(chain, chain.deploy(OPERATOR, create2.salt("drop", "0x" + "33" * 32), init_code(roles())))
