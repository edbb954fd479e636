"""The chain, as the control side and the relayer use it: each act may be repeated, and waits until it is mined."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from web3 import Web3

from node_image.hub import calls, redemption, transactions
from node_image.hub.reading import DEV_CHAIN, Reader, Status
from node_image.hub.redemption import Outcome
from node_image.hub.transactions import ANSWER_S, STUCK_S, ChainAway, ChainFault, ChainRefused
from node_image.protocol import create2
from node_image.protocol.collected import Collected
from node_image.protocol.hexes import unhex

__all__ = ["Chain", "ChainAway", "ChainFault", "ChainRefused", "Status"]

DEV_FUNDS = 10**21
FINAL_S = 1800.0
FINAL_POLL_S = 1.0


class Chain(Reader):
    """A reader that also sends. Keys are 0x hex."""

    def __init__(self, rpc_url: str, *, answer_s: float = ANSWER_S, stuck_s: float = STUCK_S) -> None:
        super().__init__(rpc_url, answer_s=answer_s)
        self._stuck_s = stuck_s

    def fund(self, address: str) -> None:
        """Fill an account on a development chain; on any other chain do nothing."""
        if self.chain_id() == DEV_CHAIN and self.balance(address) < DEV_FUNDS // 2:
            self._rpc.request("anvil_setBalance", [address, hex(DEV_FUNDS)])

    def deploy(self, key: str, salt: str | bytes, init_code: bytes) -> str:
        """The contract's CREATE2 address, with the contract standing there."""
        salt = unhex(salt) if isinstance(salt, str) else salt
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
                self.send(key, contract, calls.open_grant(grant_id, signer, leases))
            except ChainRefused:
                if self.grant_key(contract, grant_id) is None:
                    raise
        self._same_grant(contract, grant_id, signer, leases)
        self._await_final(contract, grant_id)

    def redeem_many(self, key: str, contract: str, vouchers: Sequence[Mapping[str, Any]]) -> Outcome:
        """Redeem up to 200 vouchers (JSON form), paying their price; what is skipped is told, not raised."""
        return redemption.outcome(self.send(key, contract, redemption.call_data(vouchers), redemption.price(vouchers)))

    def anchor(self, key: str, contract: str, grant_id: str, root: bytes, high_seqs: Sequence[int]) -> None:
        """The root is among the grant's checkpoints, and its tiers are covered so far; done already is done."""
        self._done(
            lambda: (
                self.issued_root(contract, grant_id, root)
                and all(self.covered(contract, grant_id, tier) >= high for tier, high in enumerate(high_seqs))
            ),
            lambda: self.send(key, contract, calls.anchor(grant_id, root, high_seqs)),
        )

    def close_out(
        self,
        key: str,
        contract: str,
        grant_id: str,
        high_seqs: Sequence[int],
        signatures: tuple[bytes, bytes],
    ) -> None:
        """The grant is closed and its leases end at their high seqs; closed already with the same is done.

        `signatures` are the lease key's and the hub's under `acts.close_out_hash`.
        """
        data = calls.close_out(grant_id, high_seqs, *signatures)
        self._done(
            lambda: (
                self.status(contract, grant_id) is Status.CLOSED
                and all(self.lease_of(contract, grant_id, tier)["quota"] == high for tier, high in enumerate(high_seqs))
            ),
            lambda: self.send(key, contract, data),
        )

    def freeze(self, key: str, contract: str, grant_id: str) -> None:
        """The grant is frozen (or revoked already); `key` is a holder's own."""
        self._done(
            lambda: self.status(contract, grant_id) in {Status.FROZEN, Status.REVOKED},
            lambda: self.send(key, contract, calls.freeze(grant_id)),
        )

    def report_equivocation(self, key: str, contract: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
        """The grant that signed both is frozen; each is a mapping with `batch` and `signature`, as in a voucher."""
        self._done(
            lambda: self.status(contract, a["batch"]["grantId"]) in {Status.FROZEN, Status.REVOKED},
            lambda: self.send(key, contract, calls.report_equivocation(a, b)),
        )

    def submit(self, key: str, contract: str, collected: Collected) -> Mapping[str, Any]:
        """The receipt of a holders' act; each one goes through once. NotVerified while signatures are missing."""
        return self.send(key, contract, calls.act(collected, self.holders(contract)))

    def withdraw(self, key: str, contract: str, tier: int) -> None:
        """Each creator has its part of the tier's takings."""
        self.send(key, contract, calls.withdraw(tier))

    def send(self, key: str, to: str, data: bytes, value: int = 0) -> Mapping[str, Any]:
        """The receipt of a transaction that was mined and did not revert."""
        return transactions.send(self._rpc, key, Web3.to_checksum_address(to), data, value, self._stuck_s)

    # ---- how

    @staticmethod
    def _done(done: Callable[[], bool], act: Callable[[], object]) -> None:
        """Do it unless it is done; a refusal is none where another process did it meanwhile."""
        if done():
            return
        try:
            act()
        except ChainRefused:
            if not done():
                raise

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
