"""A holders' act as EIP-712's JSON, for `eth_signTypedData_v4` and for wallets that show what they sign. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from node_image.protocol.collected import Collected
from node_image.protocol.eip712 import NAME, VERSION
from node_image.protocol.errors import NotVerified

DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
HEX = {"bytes32": 64, "address": 40}


def typed_data(collected: Collected) -> dict[str, Any]:
    """Types, domain and message; what it hashes to is `collected.digest()`. The act's fields stand as its type's do."""
    types = _types(collected.act.type_ + DOMAIN)
    primary = type(collected.act).__name__
    domain = {
        "name": NAME,
        "version": VERSION,
        "chainId": collected.chain_id,
        "verifyingContract": collected.contract,
    }
    message = _message(collected.act, primary, types)
    return {"types": types, "primaryType": primary, "domain": domain, "message": message}


def _types(told: str) -> dict[str, list[dict[str, str]]]:
    found = re.findall(r"(\w+)\(([^)]*)\)", told)
    return {name: [_member(member) for member in members.split(",")] for name, members in found}


def _member(told: str) -> dict[str, str]:
    kind, _, name = told.partition(" ")
    return {"name": name, "type": kind}


def _message(struct: msgspec.Struct, type_: str, types: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    values = msgspec.structs.astuple(struct)
    members = zip(types[type_], values, strict=True)
    return {member["name"]: _value(value, member["type"].removesuffix("[]"), types) for member, value in members}


def _value(value: Any, type_: str, types: dict[str, list[dict[str, str]]]) -> Any:
    if isinstance(value, msgspec.Struct):
        return _message(value, type_, types)
    return [_value(one, type_, types) for one in value] if isinstance(value, tuple) else value


def check(collected: Collected) -> Collected:
    """The act itself, when each of its values is what its EIP-712 type says; else NotVerified names the first."""
    told = typed_data(collected)
    _check(told["domain"], "EIP712Domain", told["types"])
    _check(told["message"], told["primaryType"], told["types"])
    return collected


def _check(message: dict[str, Any], type_: str, types: dict[str, list[dict[str, str]]]) -> None:
    for member in types[type_]:
        kind, name = member["type"], member["name"]
        for value in message[name] if kind.endswith("[]") else [message[name]]:
            one = kind.removesuffix("[]")
            if one in types:
                _check(value, one, types)
            elif not _is(value, one):
                raise NotVerified(f"{name} of the act is no {one}: {value!r}")


def _is(value: Any, type_: str) -> bool:
    if type_ in HEX:
        return re.fullmatch(rf"0x[0-9a-fA-F]{{{HEX[type_]}}}", value) is not None
    if type_ == "string":
        return True
    number = int(value) if re.fullmatch(r"\d{1,78}", str(value)) else -1
    return 0 <= number < 1 << int(type_.removeprefix("uint"))
