"""Holders' keys on this machine: files with 0x hex that their owner alone may read, never words of a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from coincurve import PrivateKey

from infra.errors import BadUsage
from infra.home import home
from infra.ops.place import Place
from node_image.protocol.acts import Holder
from node_image.protocol.create2 import checksummed
from node_image.protocol.signature import address_of

OTHERS = 0o077
DEVELOPMENT = "holder-*.key"
OPERATOR = "operator.key"


def read_key(file: Path) -> str:
    """A private key (0x hex) from its file."""
    try:
        mode, text = file.stat().st_mode, file.read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise BadUsage(f"{file}: no key can be read there", "give the file that holds it") from fault
    if mode & OTHERS:
        raise BadUsage(f"{file} may be read by others", f"type: chmod 600 {file}")
    if not re.fullmatch("(0x)?[0-9a-fA-F]{64}", text):
        raise BadUsage(f"{file} holds no key", "it is one line, 0x and 64 hex digits")
    try:
        address(text)
    except ValueError as fault:
        raise BadUsage(f"{file} holds no key of secp256k1", "make another one") from fault
    return text


def address(key: str) -> str:
    """The account of a private key, checksummed."""
    return checksummed(address_of(PrivateKey.from_hex(key.removeprefix("0x")).public_key.format(compressed=False)))


def holders_here(given: Iterable[Path], holders: Sequence[Holder]) -> dict[str, str]:
    """Private keys by holder's address: those that were named, else this machine's own of a development drop."""
    named = tuple(given)
    files = named or tuple(sorted((home() / "keys").glob(DEVELOPMENT)))
    found = {address(key): key for key in map(read_key, files)}
    mine = {holder.address for holder in holders if holder.kind == "ecdsa"}
    for account in found:
        if named and account not in mine:
            raise BadUsage(f"{account} is none of the holders", f"they are {', '.join(one.address for one in holders)}")
    if len(found) < len(named):
        raise BadUsage("one holder's key was given twice", "two of three are two different holders")
    return {account: key for account, key in found.items() if account in mine}


def payer(place: Place, given: Path | None, own: Iterable[str]) -> str:
    """The key of the account that pays for the transaction: as given, else the first of ours that holds ether."""
    if given is not None:
        return read_key(given)
    operator = home() / "keys" / OPERATOR
    candidates = [*own, *([read_key(operator)] if operator.exists() else [])]
    funded = next((key for key in candidates if place.chain.balance(address(key))), None)
    if funded is None:
        raise BadUsage("nobody here can pay for the transaction", "give --pay <key file of an account with ether>")
    return funded
