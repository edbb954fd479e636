"""Plain questions to the chain, for what must be quick: web3 takes a second to load, and every preview would pay it."""

from __future__ import annotations

from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import msgspec

from node_image.protocol.eip712 import keccak
from node_image.protocol.hexes import unhex

ANSWER_S = 5.0
WORD = 32  # bytes
DECIMALS = keccak(b"decimals()")[:4]
GRANT_KEY = keccak(b"grantKey(bytes32)")[:4]


def has_code(rpc: str, address: str) -> bool | None:
    """Whether a contract stands at the address; None where the chain doesn't answer."""
    told = _ask(rpc, "eth_getCode", [address, "latest"])
    return None if told is None else bool(unhex(told))


def grant_is_open(rpc: str, contract: str, grant_id: str) -> bool | None:
    """Whether the contract knows a key of the grant; None where the chain doesn't answer."""
    call = {"to": contract, "data": "0x" + (GRANT_KEY + unhex(grant_id)).hex()}
    told = _ask(rpc, "eth_call", [call, "latest"])
    return None if told is None else any(unhex(told))


def decimals(rpc: str, token: str) -> int | None:
    """What an ERC-20 says of itself; None where it says nothing, which it need not, or the chain doesn't answer."""
    told = _ask(rpc, "eth_call", [{"to": token, "data": "0x" + DECIMALS.hex()}, "latest"])
    return int(told, 16) if told and len(unhex(told)) == WORD else None


def _ask(rpc: str, method: str, params: list[Any]) -> str | None:
    """JSON-RPC 2.0; an error of the node's is no answer."""
    question = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    request = Request(rpc, question, {"Content-Type": "application/json"})  # noqa: S310  the plan's own http address
    try:
        with urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            told = msgspec.json.decode(answer.read())
    except (URLError, TimeoutError, OSError, msgspec.DecodeError):
        return None
    result = told.get("result") if isinstance(told, dict) else None
    return result if isinstance(result, str) else None
