"""Transactions that are sent once and mined once, though several processes send from the same key.

ChainFault
├── ChainAway      the node doesn't answer, or not in time
└── ChainRefused   it answered no: a revert (with the contract's error), no funds, another grant under that id

A nonce that another process took is a lost race, and tried again with the next one. A transaction that is stuck is
replaced with higher fees under the same nonce, so that it can't be mined twice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from eth_account import Account
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.eth import Eth
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception, Web3RPCError

from node_image.hub.redemption import selector

ANSWER_S = 5.0
MINED_S = 180.0
STUCK_S = 15.0
POLL_S = 0.05
LOST_S = 1.0  # a nonce may be seen spent a moment before the receipt of what spent it
JITTER_S = (0.05, 0.5)
RACES = 20
GAS_ROOM = 1.25  # what is skipped changes between estimate and block
ERRORS = {
    selector(name): name.partition("(")[0]
    for name in (
        "NotOperator()",
        "AlreadyOpen(bytes32)",
        "BadGrant()",
        "BadLease(uint256)",
        "Overlap(uint256)",
        "BadTier(uint256)",
        "TooManyItems()",
        "NotRedeemed(uint8)",
        "NotHub()",
        "NotOwner()",
        "Ceiling(uint256)",
        "WrongStatus(uint8)",
        "BadHigh(uint256)",
        "BadRoot()",
        "NotYet()",
        "NotEquivocal()",
        "BadLost(uint256)",
        "BadHolders()",
        "NotHolder()",
        "Expired()",
        "TooFewHolders()",
        "NonceUsed(address)",
        "BadSignature(address)",
        "BadRoyalty()",
        "TokenAlreadyExists()",
    )
}
RACE_WORDS = ("nonce too low", "underpriced", "already known", "already imported")


class ChainFault(Exception):
    """The chain did not do what was asked."""


class ChainAway(ChainFault):
    """The node doesn't answer, or not in time."""


class ChainRefused(ChainFault):
    """The chain answered no; `data` is what a revert carried (the error's selector and arguments)."""

    def __init__(self, message: str, data: bytes = b"") -> None:
        super().__init__(message)
        self.data = data


class _LostRace(Exception):
    """Another process sent with the nonce that this one chose; never leaves this module."""


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees in wei."""

    max_fee: int
    tip: int

    def bumped(self) -> Fees:
        """The least that replaces: geth wants 10 % on both, we give 12.5 % and a wei for the rounding."""
        return Fees(self.max_fee * 9 // 8 + 1, self.tip * 9 // 8 + 1)


class Rpc:
    """One JSON-RPC node, whose faults are told as ours."""

    def __init__(self, url: str, answer_s: float = ANSWER_S) -> None:
        # Retries are ours: a provider that retries by itself would hide a dead chain for a minute.
        self._provider = HTTPProvider(url, request_kwargs={"timeout": answer_s}, exception_retry_configuration=None)
        self._eth = Web3(self._provider).eth
        self.url = url

    def ask[T](self, what: Callable[[Eth], T]) -> T:
        """What the node answers; ChainAway or ChainRefused."""
        try:
            return what(self._eth)
        except requests.RequestException as fault:
            raise ChainAway(f"{self.url} does not answer: {type(fault).__name__}") from fault
        except ContractLogicError as fault:
            raise ChainRefused(_revert(fault), _data(fault)) from fault
        except Web3Exception as fault:
            raise ChainRefused(str(fault)) from fault

    def request(self, method: str, told: list[Any]) -> None:
        """A call that web3 has no name for."""
        self.ask(lambda _: self._provider.make_request(method, told))


def send(rpc: Rpc, key: str, to: ChecksumAddress, data: bytes, value: int, stuck_s: float) -> Mapping[str, Any]:
    """The receipt of a transaction that was mined and did not revert."""
    for _ in range(RACES):
        try:
            return rpc.ask(lambda eth: _send_once(eth, key, {"to": to, "data": data, "value": value}, stuck_s))
        except _LostRace:
            time.sleep(random.uniform(*JITTER_S))  # noqa: S311  jitter, not a secret
    raise ChainAway(f"{RACES} times another process took the nonce first")


def _send_once(eth: Eth, key: str, call: dict[str, Any], stuck_s: float) -> Mapping[str, Any]:
    sender: ChecksumAddress = Account.from_key(key).address
    call["gas"] = int(eth.estimate_gas({**call, "from": sender}) * GAS_ROOM)  # type: ignore[typeddict-item]
    nonce = eth.get_transaction_count(sender, "pending")
    call |= {"chainId": eth.chain_id, "nonce": nonce, "type": 2}
    fees, sent = _fees(eth), list[HexBytes]()
    deadline = time.monotonic() + MINED_S
    while time.monotonic() < deadline:
        sent.append(_submit(eth, key, call, fees))
        if (receipt := _await_receipt(eth, sender, nonce, sent, stuck_s)) is not None:
            return _succeeded(receipt)
        fees = fees.bumped()
    raise ChainAway(f"transaction {sent[0].to_0x_hex()} was not mined in {MINED_S:.0f} s, with {len(sent)} fees")


def _fees(eth: Eth) -> Fees:
    base = eth.get_block("latest").get("baseFeePerGas", 0)
    tip = eth.max_priority_fee
    return Fees(2 * base + tip, tip)


def _submit(eth: Eth, key: str, call: Mapping[str, Any], fees: Fees) -> HexBytes:
    signed = Account.sign_transaction({**call, "maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.tip}, key)
    try:
        eth.send_raw_transaction(signed.raw_transaction)
    except Web3RPCError as fault:
        # "nonce too low" can also mean that an earlier one of ours was mined: the wait after it tells.
        if not any(word in str(fault).lower() for word in RACE_WORDS):
            raise
    return HexBytes(signed.hash)


def _await_receipt(
    eth: Eth, sender: ChecksumAddress, nonce: int, sent: Sequence[HexBytes], stuck_s: float
) -> Mapping[str, Any] | None:
    """A receipt of one of ours; None when it is stuck; _LostRace when the nonce is spent and not by us."""
    deadline, spent_at = time.monotonic() + stuck_s, None
    while spent_at or time.monotonic() < deadline:
        # The nonce first: were it asked after the receipts, one mined in between would look like another's.
        spent = eth.get_transaction_count(sender, "latest") > nonce
        for tx in sent:
            try:
                return eth.get_transaction_receipt(tx)
            except TransactionNotFound:
                continue
        spent_at = (spent_at or time.monotonic()) if spent else None
        if spent_at and time.monotonic() - spent_at > LOST_S:
            raise _LostRace
        time.sleep(POLL_S)
    return None


def _succeeded(receipt: Mapping[str, Any]) -> Mapping[str, Any]:
    if receipt["status"] != 1:
        raise ChainRefused(f"the transaction 0x{bytes(receipt['transactionHash']).hex()} reverted")
    return receipt


def _revert(fault: ContractLogicError) -> str:
    name = ERRORS.get(_data(fault)[:4], "")
    return f"the contract refuses: {name or fault}"


def _data(fault: ContractLogicError) -> bytes:
    return bytes.fromhex(fault.data.removeprefix("0x")) if isinstance(fault.data, str) else b""
