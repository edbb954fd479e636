"""A chain of its own (anvil, its own port), the drop's contract on it, and a lease key that signs like a node."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from node_image.hub.chain import Chain
from node_image.hub.redemption import Reason
from node_image.protocol import acts, collected, create2, merkle
from node_image.protocol.acts import Holder
from node_image.protocol.collected import Collected
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
NONCES = itertools.count(1)
FOREVER = 2**40 - 1
FREE, PAID, COINS, ODD = range(4)
OTHERS = json.loads((ARTIFACT.parent / "Others.json").read_text())
SALT = bytes(32)
COIN, WALLET, PAYEE = (
    create2.create2_address(SALT, bytes.fromhex(OTHERS[name]["bytecode"][2:])) for name in ("Coin", "Wallet", "Payee")
)
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
    Tier(1301, 100, 10, 5, PRICE, SHARES, 60, 95, currency=COIN),
    Tier(1401, 50, 10, 15, PRICE, (Split(PAYEE, 5000), Split(CREATORS[1], 5000)), 50, 50),
)


@contextmanager
def anvil() -> Iterator[str]:
    """A fresh chain's address; the system chooses the port, anvil says which."""
    command = [str(ANVIL), "--port", "0", "--no-request-size-limit"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = next(found[1] for line in process.stdout if (found := re.search(r"Listening on .*:(\d+)", line)))
            # It says each call: a pipe that nobody reads would stop it after some hundred.
            threading.Thread(target=process.stdout.read, daemon=True).start()
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
        """One batch over (tier, seq, to, slot), signed; a slot of -1 makes `to` a claim key."""
        named = bytes.fromhex(grant[2:])
        leaves = [
            Voucher(named, tier, seq, *_gains(to, slot), max(0, slot), claim_hash(f"{grant}{tier}{seq}{slot}"))
            for tier, seq, to, slot in asked
        ]
        levels = merkle.tree([leaf.struct_hash() for leaf in leaves])
        batch = Batch(named, batch_seq, levels[-1][0], len(leaves), 1)
        signature = rsv(self.digest(batch.struct_hash()), key)
        return [self._json(leaf, batch, merkle.proof(levels, i), signature) for i, leaf in enumerate(leaves)]

    def act(self, kind: type[Any], grant: str, *, deadline: int = FOREVER, **told: Any) -> Collected:
        """An act with a nonce of its own, that nobody signed yet."""
        return Collected(
            1, 31337, self.contract, kind(grant_id=grant, nonce=str(next(NONCES)), deadline=deadline, **told)
        )

    def signed(self, act: Collected, *holders: int) -> Collected:
        """With the signatures of these holders."""
        for holder in holders:
            act = collected.sign(act, HOLDERS[holder], self.chain.holders(self.contract))
        return act

    def do(self, kind: type[Any], grant: str, *holders: int, **told: Any) -> Any:
        """Signed by these holders and sent by a stranger."""
        return self.chain.submit(RELAYER, self.contract, self.signed(self.act(kind, grant, **told), *holders))

    def digest(self, struct_hash: bytes) -> bytes:
        """In the contract's domain."""
        return digest(Domain(31337, bytes.fromhex(self.contract[2:])).separator, struct_hash)

    def batch_digest(self, voucher: dict[str, Any]) -> bytes:
        """Of the voucher's batch."""
        told = voucher["batch"]
        named, root = bytes.fromhex(told["grantId"][2:]), bytes.fromhex(told["root"][2:])
        return self.digest(Batch(named, told["batchSeq"], root, told["count"], told["issuedAt"]).struct_hash())

    def anchor(self, grant: str, highs: Sequence[int], *batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The batches under one anchored root; their vouchers with the proof of it."""
        root, proven = self.checkpoint(*batches)
        self.chain.anchor(HUB, self.contract, grant, root, highs)
        return proven

    def checkpoint(self, *batches: list[dict[str, Any]]) -> tuple[bytes, list[dict[str, Any]]]:
        """A root over the batches, and their vouchers with the proof of it."""
        levels = merkle.tree([self.batch_digest(batch[0]) for batch in batches])
        root = levels[-1][0]
        proofs = [["0x" + sibling.hex() for sibling in merkle.proof(levels, at)] for at in range(len(batches))]
        told = [{"root": "0x" + root.hex(), "proof": proof} for proof in proofs]
        return root, [one | {"checkpoint": told[at]} for at, batch in enumerate(batches) for one in batch]

    def close_signatures(
        self, grant: str, highs: Sequence[int], node: PrivateKey = NODE, hub: str = HUB
    ) -> tuple[bytes, bytes]:
        """The lease key's and the hub's under a close-out."""
        hashed = self.digest(acts.close_out_hash(bytes.fromhex(grant[2:]), highs))
        return rsv(hashed, node), rsv(hashed, PrivateKey.from_hex(hub[2:]))

    def redeem(self, vouchers: Sequence[dict[str, Any]], key: str = RELAYER) -> list[Reason]:
        """What came of each, in order."""
        outcome = self.chain.redeem_many(key, self.contract, vouchers)
        told = {skip.item: skip.reason for skip in outcome.skipped}
        assert len(outcome.redeemed) + len(told) == len(vouchers)
        return [told.get(item, Reason.NONE) for item in range(len(vouchers))]

    def keyed(
        self, grant: str, asked: Sequence[tuple[int, int, PrivateKey]], batch_seq: int = 0, key: PrivateKey = NODE
    ) -> list[dict[str, Any]]:
        """One batch over (tier, seq, claim key), signed."""
        return self.vouchers(grant, [(tier, seq, address(own), -1) for tier, seq, own in asked], key, batch_seq)

    def receive(self, voucher: dict[str, Any], key: PrivateKey, receiver: str) -> dict[str, Any]:
        """The voucher with its claim key's word."""
        hashed = self.digest(acts.receive_hash(leaf_of(voucher), bytes.fromhex(receiver[2:])))
        return voucher | {"receive": {"receiver": receiver, "signature": "0x" + rsv(hashed, key).hex()}}

    def both(self, grant: str, seq: int, to: str, key: PrivateKey) -> dict[str, Any]:
        """A voucher that names a wallet and a claim key, which no honest signer makes."""
        named = bytes.fromhex(grant[2:])
        leaf = Voucher(named, FREE, seq, bytes.fromhex(to[2:]), bytes.fromhex(address(key)[2:]), 0, bytes(32))
        batch = Batch(named, 99, leaf.struct_hash(), 1, 1)
        return self._json(leaf, batch, [], rsv(self.digest(batch.struct_hash()), NODE))

    def snapshot(self) -> str:
        """The chain as it is; `restore` takes it back there."""
        return str(self.ask("evm_snapshot", []))

    def restore(self, snapshot: str) -> None:
        """As it was."""
        self.ask("evm_revert", [snapshot])

    def ask(self, method: str, told: list[Any]) -> Any:
        """A JSON-RPC call of the development chain."""
        return Web3(HTTPProvider(self.chain._rpc.url)).provider.make_request(RPCEndpoint(method), told)["result"]

    def at(self, moment: int) -> None:
        """The next block's time."""
        self.chain._rpc.request("evm_setNextBlockTimestamp", [moment])
        self.chain._rpc.request("evm_mine", [])

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
            "currency": None if leaf.tier != COINS else COIN,
        }


def rsv(hashed: bytes, key: PrivateKey) -> bytes:
    """The key's signature as the contract takes it."""
    raw = key.sign_recoverable(hashed, hasher=None)[:64]
    return to_rsv(hashed, raw, key.public_key.format(compressed=False))


def leaf_of(voucher: dict[str, Any]) -> bytes:
    """The voucher's place in the tree."""
    told, grant = voucher["voucher"], voucher["batch"]["grantId"]
    named, to, key, claim = (bytes.fromhex(one[2:]) for one in (grant, told["to"], told["claimKey"], told["claimHash"]))
    return Voucher(named, told["tier"], told["seq"], to, key, told["slot"], claim).struct_hash()


def _gains(to: str, slot: int) -> tuple[bytes, bytes]:
    raw = bytes.fromhex(to[2:])
    return (bytes(20), raw) if slot < 0 else (raw, bytes(20))


def own_roles() -> Roles:
    """The test's own accounts."""
    return Roles(account(OPERATOR), account(OPERATOR), account(HUB), tuple(Holder(account(key)) for key in HOLDERS))


def init_code(roles: Roles, artifact: bytes | None = None, tiers: tuple[Tier, ...] | None = None) -> bytes:
    """The drop's contract."""
    return create2.constructor_init_code(
        artifact or ARTIFACT.read_bytes(),
        name="Harbour Lights",
        symbol="HARBOUR",
        base_uri="edgedrop://drop/metadata/",
        manifest_digest="0x" + "33" * 32,
        roles=roles,
        tiers=tiers or TIERS,
    )


def world(url: str, roles: Roles | None = None, artifact: bytes | None = None) -> World:
    """The contract and what it meets deployed, and its accounts filled."""
    chain = Chain(url, stuck_s=2)
    for key in (OPERATOR, RELAYER, HUB, *HOLDERS):
        chain.fund(account(key))
    for told in OTHERS.values():
        chain.deploy(OPERATOR, SALT, bytes.fromhex(told["bytecode"][2:]))
    code = init_code(roles or own_roles(), artifact)
    return World(chain, chain.deploy(OPERATOR, create2.salt("drop", "0x" + "33" * 32), code))
