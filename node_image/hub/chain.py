"""The chain, as the control side and the relayer use it: each act may be repeated, and waits until it is mined."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_typing import HexStr
from web3 import Web3
from web3.types import FilterParams

from node_image.hub import redemption, transactions
from node_image.hub.redemption import Outcome, Redemption, selector
from node_image.hub.transactions import ANSWER_S, STUCK_S, ChainAway, ChainFault, ChainRefused, Rpc
from node_image.protocol import create2

__all__ = ["Chain", "ChainAway", "ChainFault", "ChainRefused"]

DEV_CHAIN = 31337
DEV_FUNDS = 10**21
FINAL_S = 1800.0
FINAL_POLL_S = 1.0
LOG_SPAN = 5000  # blocks a node answers logs of at once
LEASE_FIELDS = ("tier", "start", "quota", "not_before", "redeem_by")
OPENINGS = "(uint8,uint40,uint32,uint40,uint40)[]"


class Chain:
    """A client of one JSON-RPC node. Keys are 0x hex, hashes and addresses 0x hex, amounts wei."""

    def __init__(self, rpc_url: str, *, answer_s: float = ANSWER_S, stuck_s: float = STUCK_S) -> None:
        self._rpc = Rpc(rpc_url, answer_s)
        self._stuck_s = stuck_s

    # ---- reading

    def chain_id(self) -> int:
        """The chain's EIP-155 id."""
        return self._rpc.ask(lambda eth: eth.chain_id)

    def has_code(self, address: str) -> bool:
        """Whether a contract stands there."""
        return bool(self._rpc.ask(lambda eth: eth.get_code(Web3.to_checksum_address(address))))

    def balance(self, address: str) -> int:
        """In wei."""
        return self._rpc.ask(lambda eth: eth.get_balance(Web3.to_checksum_address(address)))

    def grant_key(self, contract: str, grant_id: str, *, final: bool = False) -> str | None:
        """The grant's signing key, None when it is not open (or, with `final`, not yet for good)."""
        (key,) = self._call(contract, "grantKey(bytes32)", ("address",), (_bytes(grant_id),), final=final)
        return None if int(key, 16) == 0 else Web3.to_checksum_address(key)

    def lease_of(self, contract: str, grant_id: str, tier: int) -> dict[str, int]:
        """The grant's lease in a tier; quota 0 when there is none."""
        told = self._call(contract, "leaseOf(bytes32,uint8)", ("uint64",) * 4, (_bytes(grant_id), tier))
        return dict(zip(("start", "quota", "not_before", "redeem_by"), told, strict=True))

    def nullifier_used(self, contract: str, to: str, bit: int) -> bool:
        """Whether the holder's bit (the tier's slot base + slot) was used."""
        (used,) = self._call(contract, "nullifierUsed(address,uint8)", ("bool",), (to, bit))
        return bool(used)

    def redemptions(self, contract: str, since: int = 0) -> list[Redemption]:
        """All Redeemed events from block `since` on, in order."""
        last = self._rpc.ask(lambda eth: eth.block_number)
        found: list[Redemption] = []
        for begin in range(since, last + 1, LOG_SPAN):
            wanted: FilterParams = {
                "address": Web3.to_checksum_address(contract),
                "topics": [HexStr("0x" + redemption.REDEEMED.hex())],
                "fromBlock": begin,
                "toBlock": min(begin + LOG_SPAN - 1, last),
            }
            found += [redemption.redemption(log) for log in self._logs(wanted)]
        return found

    def minted_token_ids(self, contract: str, since: int = 0) -> set[int]:
        """The tokens redeemed so far."""
        return {event.token_id for event in self.redemptions(contract, since)}

    # ---- acting

    def fund(self, address: str) -> None:
        """Fill an account on a development chain; on any other chain do nothing."""
        if self.chain_id() == DEV_CHAIN and self.balance(address) < DEV_FUNDS // 2:
            self._rpc.request("anvil_setBalance", [address, hex(DEV_FUNDS)])

    def deploy(self, key: str, salt: str | bytes, init_code: bytes) -> str:
        """The contract's CREATE2 address, with the contract standing there."""
        salt = _bytes(salt) if isinstance(salt, str) else salt
        address = create2.create2_address(salt, init_code)
        if self.has_code(address):
            return address
        if not self.has_code(create2.DEPLOYER):
            raise ChainRefused(f"this chain lacks the deterministic deployer {create2.DEPLOYER}")
        try:
            self.send(key, create2.DEPLOYER, salt + init_code)
        except ChainRefused:
            if not self.has_code(address):  # else another process was first
                raise
        if not self.has_code(address):
            raise ChainRefused(f"the deployment left no code at {address}")
        return address

    def open_grant(
        self, key: str, contract: str, grant_id: str, signer: str, leases: Sequence[Mapping[str, int]]
    ) -> None:
        """The grant is open for `signer` with these leases, for good; open already with the same is done."""
        if self.grant_key(contract, grant_id) is None:
            try:
                self.send(key, contract, _open_grant(grant_id, signer, leases))
            except ChainRefused:
                if self.grant_key(contract, grant_id) is None:
                    raise
        self._same_grant(contract, grant_id, signer, leases)
        self._await_final(contract, grant_id)

    def redeem_many(self, key: str, contract: str, vouchers: Sequence[Mapping[str, Any]]) -> Outcome:
        """Redeem up to 200 vouchers (JSON form), paying their price; what is skipped is told, not raised."""
        return redemption.outcome(self.send(key, contract, redemption.call_data(vouchers), redemption.price(vouchers)))

    def send(self, key: str, to: str, data: bytes, value: int = 0) -> Mapping[str, Any]:
        """The receipt of a transaction that was mined and did not revert."""
        return transactions.send(self._rpc, key, Web3.to_checksum_address(to), data, value, self._stuck_s)

    # ---- how

    def _same_grant(self, contract: str, grant_id: str, signer: str, leases: Sequence[Mapping[str, int]]) -> None:
        held = self.grant_key(contract, grant_id)
        if held is None or held.lower() != signer.lower():
            raise ChainRefused(f"grant {grant_id} is open for {held}, not for {signer}")
        for lease in leases:
            there = self.lease_of(contract, grant_id, lease["tier"])
            if any(there[name] != lease[name] for name in there):
                raise ChainRefused(f"grant {grant_id} holds {there} in tier {lease['tier']}, not {dict(lease)}")

    def _await_final(self, contract: str, grant_id: str) -> None:
        """A node gets a lease only once no reorg can take the opening back."""
        deadline = time.monotonic() + FINAL_S
        while self.grant_key(contract, grant_id, final=True) is None:
            if time.monotonic() > deadline:
                raise ChainAway(f"{self._rpc.url}: the opening of {grant_id} was not final in {FINAL_S:.0f} s")
            time.sleep(FINAL_POLL_S)

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
_NOTHING: dict[str, Any] = {"address": "0x" + "00" * 20, "uint64": 0, "uint256": 0, "bool": False}


def _open_grant(grant_id: str, signer: str, leases: Sequence[Mapping[str, int]]) -> bytes:
    openings = [tuple(lease[name] for name in LEASE_FIELDS) for lease in leases]
    told = encode(("bytes32", "address", OPENINGS), (_bytes(grant_id), signer, openings))
    return selector(f"openGrant(bytes32,address,{OPENINGS})") + told


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
