"""`edgedrop verify`: is this voucher what it says it is? Says what was checked and what was not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from eth_utils.address import is_checksum_address, is_checksum_formatted_address, is_hex_address
from rich.markup import escape

from infra import stacks
from infra.errors import BadUsage, FaultyFile, NotVerified, Unreachable
from infra.ops.output import answer, tell
from infra.plan import plan_lab
from node_image.hub.chain import Chain, ChainFault
from node_image.protocol.errors import ProtocolError
from node_image.protocol.voucher import Voucher
from node_image.protocol.voucher import verify as verify_voucher

LEAF = "the leaf is under the batch's root"
SIGNED = "the batch is signed by the grant's key"
GIVEN = "the grant's key is the one on chain"
LEASED = "the token is in the grant's lease on chain"
REDEEMED = "whether it is redeemed"
CONTRACT = "that the contract is the drop's own (`edgedrop plan` names it)"  # a forger can deploy one too
NO_CHAIN = (GIVEN, LEASED, REDEEMED, CONTRACT)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A good voucher; `redeemed` is None where no chain was asked."""

    token_id: str
    drop: str
    to: str
    key: str
    redeemed: bool | None
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]


def verify(
    file: Annotated[Path, typer.Argument(help="A voucher as the claim page saves it (JSON).")],
    rpc: Annotated[str | None, typer.Option(help="A node of its chain; by default the lab's on this machine.")] = None,
    key: Annotated[str | None, typer.Option(help="The grant's key, if you know it otherwise: an address.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Check leaf, proof, batch, signature, and the lease on chain; ends with 6 when the voucher is not good."""
    if rpc is not None and key is not None:
        raise BadUsage("--rpc and --key exclude each other", "--rpc asks the chain for the key")
    if key is not None and not _is_address(key):
        raise BadUsage("--key is no address", "it is 0x and 40 hex digits, with its checksum (EIP-55) or in one case")
    voucher = _read(file)
    try:
        verdict = by_key(voucher, key) if key else on_chain(voucher, Chain(rpc or _own_chain(voucher.drop)))
    except (ProtocolError, ValueError, OverflowError) as fault:
        raise NotVerified(
            f"{file.name} does not verify: {fault}", "do not accept it; ask its holder for the file"
        ) from fault
    except ChainFault as fault:
        raise Unreachable(
            f"the chain did not tell the lease: {fault}", "give the --rpc of a node that answers"
        ) from fault
    _tell(verdict, as_json=as_json)


def by_key(voucher: Voucher, key: str) -> Verdict:
    """With no server at all; ProtocolError or ValueError where it is not good."""
    verify_voucher(voucher, key)
    body = voucher.voucher
    return Verdict(voucher.token_id, voucher.drop, body.to, key, None, (LEAF, SIGNED), NO_CHAIN)


def on_chain(voucher: Voucher, chain: Chain) -> Verdict:
    """With the key and the lease as the contract has them."""
    if chain.chain_id() != voucher.chain_id:
        raise ValueError(f"it is for chain {voucher.chain_id}, this node is of chain {chain.chain_id()}")
    body = voucher.voucher
    key = chain.grant_key(voucher.contract, body.grant_id)
    if key is None:
        raise ValueError(f"no such grant is open at {voucher.contract}")
    verify_voucher(voucher, key)
    lease = chain.lease_of(voucher.contract, body.grant_id, body.tier)
    if body.seq >= lease["quota"] or str(lease["start"] + body.seq) != voucher.token_id:
        raise ValueError(f"token {voucher.token_id} is not in the grant's lease")
    redeemed = int(voucher.token_id) in chain.minted_token_ids(voucher.contract)
    return Verdict(
        voucher.token_id, voucher.drop, body.to, key, redeemed, (LEAF, SIGNED, GIVEN, LEASED, REDEEMED), (CONTRACT,)
    )


def _own_chain(drop: str) -> str:
    """The chain of the lab that this machine brought the drop up in."""
    held = next((stack for stack in stacks.known() if stack.kind == "drop" and stack.drop == drop), None)
    if held is None:
        raise BadUsage("nobody here knows the grant's key", "give --rpc <a node of the chain>, or --key <address>")
    return plan_lab(stacks.load(held.lab).slot).chain_url


def _tell(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        tell({"verified": True} | {name: getattr(verdict, name) for name in Verdict.__slots__})
        return
    answer(f"[green]good[/]: token {escape(f'{verdict.token_id} of {verdict.drop}, for {verdict.to}')}")
    answer(f"checked: {'; '.join(verdict.checked)}")
    if verdict.redeemed is not None:
        answer("it is redeemed" if verdict.redeemed else "it is not redeemed yet")
    if verdict.not_checked:
        answer(f"not checked: {'; '.join(verdict.not_checked)}")


def _is_address(text: str) -> bool:
    return is_hex_address(text) and (is_checksum_address(text) or not is_checksum_formatted_address(text))


def _read(file: Path) -> Voucher:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Voucher)
    except OSError as fault:
        raise BadUsage(f"{file}: {fault.strerror}", "give the voucher's file") from fault
    except msgspec.DecodeError as fault:
        raise FaultyFile(f"{file.name} is no voucher: {fault}", "give the file as the claim page saved it") from fault
