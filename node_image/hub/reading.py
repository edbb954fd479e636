"""What the chain says of a drop's contract; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from eth_abi.abi import decode, encode
from eth_typing import HexStr
from web3 import Web3
from web3.types import FilterParams

from node_image.hub import redemption
from node_image.hub.redemption import NOT_REDEEMED, Place, Reason, Redemption, selector
from node_image.hub.transactions import ANSWER_S, ChainRefused, Rpc
from node_image.protocol.acts import HOLDERS, Holder
from node_image.protocol.eip712 import keccak
from node_image.protocol.hexes import unhex

DEV_CHAIN = 31337
LOG_SPAN = 5000  # blocks a node answers logs of at once
ANCHOR_SPANS = 10
LEASE_OPENED = keccak(b"LeaseOpened(bytes32,uint8,uint40,uint32,uint40,uint40)")
LEASE_CUT = keccak(b"LeaseCut(bytes32,uint8,uint32)")
TIER = "(uint40,uint32,uint8,uint8,uint88,uint32,uint32)"
SPLITS = "(address,uint16)[]"
MOST_TIERS = 256  # a tier is a uint8


class Status(IntEnum):
    """What a grant may still do (contracts/src/Types.sol)."""

    NONE = 0
    OPEN = 1
    FROZEN = 2
    REVOKED = 3
    CLOSED = 4


@dataclass(frozen=True, slots=True)
class TierOnChain:
    """A tier as the constructor was told it; tokens `reserve` .. are kept back for what the holders open."""

    first_token: int
    supply: int
    operator_cap: int
    price_wei: int  # in the smallest unit of its currency
    currency: str | None  # an ERC-20; None for ether

    @property
    def reserve(self) -> int:
        """The first token that planning leases to nobody: the operator's part ends before it."""
        return self.first_token + self.operator_cap


class Reader:
    """A client of one JSON-RPC node. Hashes and addresses are 0x hex, amounts wei."""

    def __init__(self, rpc_url: str, *, answer_s: float = ANSWER_S) -> None:
        self._rpc = Rpc(rpc_url, answer_s)

    def chain_id(self) -> int:
        """The chain's EIP-155 id."""
        return self._rpc.ask(lambda eth: eth.chain_id)

    def has_code(self, address: str) -> bool:
        """Whether a contract stands there."""
        return bool(self._rpc.ask(lambda eth: eth.get_code(Web3.to_checksum_address(address))))

    def balance(self, address: str) -> int:
        """In wei."""
        return self._rpc.ask(lambda eth: eth.get_balance(Web3.to_checksum_address(address)))

    def block(self) -> tuple[int, int]:
        """The latest block's number and time in Unix seconds."""
        latest = self._rpc.ask(lambda eth: eth.get_block("latest"))
        return latest["number"], latest["timestamp"]

    def grant_key(self, contract: str, grant_id: str, *, final: bool = False) -> str | None:
        """The grant's signing key, None when it is not open (or, with `final`, not yet for good)."""
        (key,) = self._call(contract, "grantKey(bytes32)", ("address",), (unhex(grant_id),), final=final)
        return None if int(key, 16) == 0 else Web3.to_checksum_address(key)

    def status(self, contract: str, grant_id: str, *, final: bool = False) -> Status:
        """What the grant may still do."""
        told = self._call(contract, "grantOf(bytes32)", ("address", "uint64"), (unhex(grant_id),), final=final)
        return Status(told[1])

    def lease_of(self, contract: str, grant_id: str, tier: int) -> dict[str, int]:
        """The grant's lease in a tier; quota 0 when there is none."""
        told = self._call(contract, "leaseOf(bytes32,uint8)", ("uint64",) * 4, (unhex(grant_id), tier))
        return dict(zip(("start", "quota", "not_before", "redeem_by"), told, strict=True))

    def covered(self, contract: str, grant_id: str, tier: int) -> int:
        """Every seq of the grant's tier below it is under an anchored checkpoint."""
        (high,) = self._call(contract, "coveredOf(bytes32,uint8)", ("uint64",), (unhex(grant_id), tier))
        return int(high)

    def issued_root(self, contract: str, grant_id: str, root: bytes, *, final: bool = False) -> bool:
        """Whether the root is among the grant's anchored ones."""
        told = (unhex(grant_id), root)
        (there,) = self._call(contract, "issuedRoot(bytes32,bytes32)", ("bool",), told, final=final)
        return bool(there)

    def anchored(self, contract: str, grant_id: str, root: bytes) -> Place | None:
        """Where the root was added last, looked for in the newest blocks; None when it was longer ago."""
        last, _ = self.block()
        for end in range(last, max(-1, last - ANCHOR_SPANS * LOG_SPAN), -LOG_SPAN):
            wanted: FilterParams = {
                "address": Web3.to_checksum_address(contract),
                "topics": [HexStr("0x" + redemption.ANCHORED.hex()), HexStr(grant_id)],
                "fromBlock": max(0, end - LOG_SPAN + 1),
                "toBlock": end,
            }
            for log in reversed(self._logs(wanted)):
                if bytes(log["data"]) == root:
                    return Place(
                        "0x" + bytes(log["transactionHash"]).hex(), log["blockNumber"], self._time(log["blockNumber"])
                    )
        return None

    def tiers(self, contract: str) -> tuple[TierOnChain, ...]:
        """All tiers, in the contract's order."""
        found: list[TierOnChain] = []
        while len(found) < MOST_TIERS and (one := self.tier(contract, len(found))) is not None:
            found.append(one)
        return tuple(found)

    def tier(self, contract: str, number: int) -> TierOnChain | None:
        """One tier, None past the last one and where no such contract stands."""
        try:
            told, _, currency = self._call(contract, "tierOf(uint8)", (TIER, SPLITS, "address"), (number,))
        except ChainRefused:
            return None
        first, supply, _, _, price, _, cap = told
        paid_in = None if int(currency, 16) == 0 else Web3.to_checksum_address(currency)
        return TierOnChain(first, supply, cap, price, paid_in) if supply else None

    def anchored_roots(self, contract: str, grant_id: str, since: int = 0) -> set[bytes]:
        """Every root that was ever anchored for the grant; nothing is taken out of that set."""
        wanted: FilterParams = {
            "address": Web3.to_checksum_address(contract),
            "topics": [HexStr("0x" + redemption.ANCHORED.hex()), HexStr(grant_id)],
        }
        return {bytes(log["data"]) for log in self._spans(wanted, since)}

    def reason(self, contract: str, voucher: Mapping[str, Any]) -> Reason:
        """Why the contract would not redeem the voucher as it is, without a checkpoint's proof, in the next block."""
        call = redemption.redeem_call(voucher)
        try:
            self._rpc.ask(lambda eth: eth.call({"to": Web3.to_checksum_address(contract), "data": call}))
        except ChainRefused as refused:
            if refused.data[:4] != selector(NOT_REDEEMED):
                raise
            return Reason(int.from_bytes(refused.data[4:36]))
        return Reason.NONE

    def is_leased(self, contract: str, tier: int, token_id: int) -> bool:
        """Whether the token is in some lease's range."""
        (leased,) = self._call(contract, "isLeased(uint8,uint256)", ("bool",), (tier, token_id))
        return bool(leased)

    def operator_leased(self, contract: str, tier: int) -> int:
        """Tokens of the tier in leases that the operator opened by itself."""
        (count,) = self._call(contract, "operatorLeased(uint256)", ("uint256",), (tier,))
        return int(count)

    def holders(self, contract: str) -> tuple[Holder, ...]:
        """The three, in the contract's order."""
        found = []
        for number in range(HOLDERS):
            address, contractual = self._call(contract, "holderOf(uint256)", ("address", "bool"), (number,))
            found.append(Holder(Web3.to_checksum_address(address), "erc1271" if contractual else "ecdsa"))
        return tuple(found)

    def nonce_used(self, contract: str, holder: str, nonce: int) -> bool:
        """Whether the holder signed an act that was done with this nonce."""
        (used,) = self._call(contract, "nonceUsed(address,uint256)", ("bool",), (holder, nonce))
        return bool(used)

    def nullifier_used(self, contract: str, to: str, bit: int) -> bool:
        """Whether the holder's bit (the tier's slot base + slot) was used."""
        (used,) = self._call(contract, "nullifierUsed(address,uint8)", ("bool",), (to, bit))
        return bool(used)

    def claim_key_used(self, contract: str, claim_key: str) -> bool:
        """Whether a voucher for this claim key was redeemed."""
        (used,) = self._call(contract, "claimKeyUsed(address)", ("bool",), (claim_key,))
        return bool(used)

    def takings(self, contract: str, tier: int) -> int:
        """What the tier took so far, in its currency's smallest unit."""
        (total,) = self._call(contract, "takings(uint256)", ("uint256",), (tier,))
        return int(total)

    def owner_of(self, contract: str, token_id: int) -> str | None:
        """Who holds the token, None when it is not redeemed."""
        try:
            (owner,) = self._call(contract, "ownerOf(uint256)", ("address",), (token_id,))
        except ChainRefused:  # TokenDoesNotExist
            return None
        return None if int(owner, 16) == 0 else Web3.to_checksum_address(owner)

    def manifest_digest(self, contract: str) -> str | None:
        """The digest of the drop's manifest, None where no such contract stands."""
        (digest,) = self._call(contract, "manifestDigest()", ("bytes32",))
        return "0x" + digest.hex() if any(digest) else None

    def anchored_at(self, contract: str, grant_id: str, root: bytes, tx: str) -> int | None:
        """The time of the block in which this transaction anchored the checkpoint; None when it did not."""
        topics = [redemption.ANCHORED, unhex(grant_id)]
        made = (log for log in self._logs_of(contract, tx) if [bytes(topic) for topic in log["topics"]] == topics)
        block = next((log["blockNumber"] for log in made if bytes(log["data"]) == root), None)
        return None if block is None else self._time(block)

    def leases(self, contract: str) -> dict[tuple[str, int], tuple[int, int]]:
        """Every lease that was ever opened, by grant and tier: where it starts, and how many tokens it has now."""
        wanted: FilterParams = {
            "address": Web3.to_checksum_address(contract),
            "topics": [[HexStr("0x" + LEASE_OPENED.hex()), HexStr("0x" + LEASE_CUT.hex())]],
        }
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for log in self._spans(wanted, 0):
            kind, grant, tier = (bytes(topic) for topic in log["topics"])
            named, data = ("0x" + grant.hex(), int.from_bytes(tier)), bytes(log["data"])
            if kind == LEASE_OPENED:
                found[named] = decode(("uint64", "uint64"), data[:64])
            else:
                found[named] = (found[named][0], int.from_bytes(data))
        return found

    def redeems(self, contract: str, token_id: int, tx: str) -> bool:
        """Whether this transaction redeemed the token."""
        made = (log for log in self._logs_of(contract, tx) if bytes(log["topics"][0]) == redemption.REDEEMED)
        return any(redemption.redemption(log).token_id == token_id for log in made)

    def redemptions(self, contract: str, since: int = 0) -> list[Redemption]:
        """All Redeemed events from block `since` on, in order."""
        wanted: FilterParams = {
            "address": Web3.to_checksum_address(contract),
            "topics": [HexStr("0x" + redemption.REDEEMED.hex())],
        }
        return [redemption.redemption(log) for log in self._spans(wanted, since)]

    def minted_token_ids(self, contract: str, since: int = 0) -> set[int]:
        """The tokens redeemed so far."""
        return {event.token_id for event in self.redemptions(contract, since)}

    def transaction(self, tx: str) -> tuple[str, bytes]:
        """Who sent it, and what was called."""
        found = self._rpc.ask(lambda eth: eth.get_transaction(HexStr(tx)))
        return found["from"], bytes(found["input"])

    def _time(self, block: int) -> int:
        return self._rpc.ask(lambda eth: eth.get_block(block)["timestamp"])

    def _logs_of(self, contract: str, tx: str) -> list[Mapping[str, Any]]:
        """What the contract said in a transaction; nothing where the chain has no such transaction."""
        try:
            receipt = self._rpc.ask(lambda eth: eth.get_transaction_receipt(HexStr(tx)))
        except ChainRefused:
            return []
        return [log for log in receipt["logs"] if log["address"].lower() == contract.lower() and log["topics"]]

    def _spans(self, wanted: FilterParams, since: int) -> Iterator[Mapping[str, Any]]:
        last = self._rpc.ask(lambda eth: eth.block_number)
        for begin in range(since, last + 1, LOG_SPAN):
            span: FilterParams = {**wanted, "fromBlock": begin, "toBlock": min(begin + LOG_SPAN - 1, last)}
            yield from self._logs(span)

    def _logs(self, wanted: FilterParams) -> Sequence[Mapping[str, Any]]:
        return self._rpc.ask(lambda eth: eth.get_logs(wanted))

    def _call(
        self, contract: str, signature: str, returns: Sequence[str], told: Sequence[Any] = (), *, final: bool = False
    ) -> tuple[Any, ...]:
        types = [kind for kind in signature.partition("(")[2].rstrip(")").split(",") if kind]
        to, data = Web3.to_checksum_address(contract), selector(signature) + encode(types, told)
        # The development chain has one block a transaction and no reorgs.
        block: Any = "finalized" if final and self.chain_id() != DEV_CHAIN else "latest"
        answer = self._rpc.ask(lambda eth: eth.call({"to": to, "data": data}, block))
        if not answer:
            return tuple(_NOTHING[kind] for kind in returns)
        return decode(returns, answer)


# What a contract that isn't there (yet, at that block) answers.
_NOTHING: dict[str, Any] = {
    "address": "0x" + "00" * 20,
    "uint64": 0,
    "uint256": 0,
    "bool": False,
    "bytes32": bytes(32),
    TIER: (0,) * 7,
    SPLITS: (),
}
