"""`edgedrop verify`: is this voucher what it says it is? Says what was checked and what was not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from infra.errors import BadUsage, FaultyFile, NotVerified
from infra.ops.output import say, tell
from node_image.protocol.errors import ProtocolError
from node_image.protocol.voucher import Voucher
from node_image.protocol.voucher import verify as verify_voucher

ADDRESS_LENGTH = 42


def verify(
    file: Annotated[Path, typer.Argument(help="A voucher as the claim page saves it (JSON).")],
    key: Annotated[str, typer.Option(help="The grant's key on chain: an address (`edgedrop status` names it).")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Check leaf, proof, batch and signature with no server; ends with 6 when the voucher is not good."""
    if len(key) != ADDRESS_LENGTH or not key.startswith("0x"):
        raise BadUsage("--key is no address", "it is 0x and 40 hex digits")
    voucher = _read(file)
    try:
        verify_voucher(voucher, key)
    except (ProtocolError, ValueError, OverflowError) as fault:
        raise NotVerified(
            f"{file.name} does not verify: {fault}", "do not accept it; ask its holder for the file"
        ) from fault
    checked = ["the leaf is under the batch's root", "the batch is signed by the grant's key"]
    unchecked = ["that the chain knows this key and lease", "that it is not redeemed yet"]
    if as_json:
        tell({"verified": True, "token_id": voucher.token_id, "checked": checked, "not_checked": unchecked})
    else:
        say(f"good: token {voucher.token_id} of {voucher.drop}, for {voucher.voucher.to}")
        say(f"checked: {'; '.join(checked)}")
        say(f"not checked: {'; '.join(unchecked)}")


def _read(file: Path) -> Voucher:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Voucher)
    except OSError as fault:
        raise BadUsage(f"{file}: {fault.strerror}", "give the voucher's file") from fault
    except msgspec.DecodeError as fault:
        raise FaultyFile(f"{file.name} is no voucher: {fault}", "give the file as the claim page saved it") from fault
