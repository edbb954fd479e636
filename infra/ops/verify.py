"""`edgedrop verify`: is this receipt or voucher what it says it is? Says what was checked, and what was not and why."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from eth_utils.address import is_checksum_address, is_checksum_formatted_address, is_hex_address
from rich.markup import escape

from infra import stacks
from infra.errors import BadUsage, FaultyFile, NotVerified, Unreachable
from infra.ops.output import answer, tell
from infra.plan import plan_lab
from node_image.hub import timestamp
from node_image.hub.chain import Chain, ChainFault
from node_image.protocol.audit import ChainSaid, Known, Step, audit
from node_image.protocol.errors import NoReceipt, ProtocolError
from node_image.protocol.receipt import LeaseBody, Receipt, read
from node_image.protocol.voucher import Voucher

DO_NOT = "do not accept it; ask its holder for the file"
File = Annotated[Path, typer.Argument(help="A receipt (JSON or compact) or a voucher, as the claim page saves it.")]


def verify(
    file: File,
    rpc: Annotated[str | None, typer.Option(help="A node of its chain; by default the lab's on this machine.")] = None,
    key: Annotated[str | None, typer.Option(help="Offline: the grant's key, as you know it otherwise.")] = None,
    asset: Annotated[Path | None, typer.Option(help="The token's file, to be held against the manifest.")] = None,
    tsa_ca: Annotated[Path | None, typer.Option(help="The timestamp authority's certificate, PEM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Follow it from the leaf to the chain and the artist's file; ends with 6 where a step does not hold."""
    _check_usage(rpc, key)
    given = [_bytes_of(path) if path else None for path in (asset, tsa_ca)]
    told = _read(file)
    try:
        said = None if key else ask(told, Chain(rpc or _own_chain(voucher_of(told).drop)))
        steps = audit(told, Known(key=key, chain=said, asset=given[0], stamped_at=_stamped_at(told, given[1])))
    except (ProtocolError, ValueError, OverflowError) as fault:
        raise NotVerified(f"{file.name} does not verify: {fault}", DO_NOT) from fault
    except ChainFault as fault:
        raise Unreachable(f"the chain did not answer: {fault}", "give the --rpc of a node that answers") from fault
    _tell(told, steps, as_json=as_json)


def ask(told: Receipt | Voucher, chain: Chain) -> ChainSaid:
    """All that a chain node can say of it."""
    made, receipt = voucher_of(told), told if isinstance(told, Receipt) else None
    place, body, token_id = made.contract, made.voucher, int(made.token_id)
    anchor = receipt.anchor if receipt else None
    root = bytes.fromhex(anchor.root.removeprefix("0x")) if anchor else b""
    tier = chain.tier(place, body.tier)
    return ChainSaid(
        chain_id=chain.chain_id(),
        key=chain.grant_key(place, body.grant_id),
        lease=LeaseBody(**chain.lease_of(place, body.grant_id, body.tier)),
        manifest_digest=chain.manifest_digest(place),
        price_wei=tier.price_wei if tier else 0,
        currency=tier.currency if tier else None,
        grant=chain.status(place, body.grant_id).name.lower(),
        issued=anchor is not None and chain.issued_root(place, body.grant_id, root),
        anchored_at=chain.anchored_at(place, body.grant_id, root, anchor.tx) if anchor and anchor.tx else None,
        owner=chain.owner_of(place, token_id),
        tx_redeems=bool(receipt and receipt.tx and chain.redeems(place, token_id, receipt.tx)),
    )


def voucher_of(told: Receipt | Voucher) -> Voucher:
    """The voucher, bare or in its receipt."""
    return told.voucher if isinstance(told, Receipt) else told


def _stamped_at(told: Receipt | Voucher, ca: bytes | None) -> datetime | None:
    anchor = told.anchor if isinstance(told, Receipt) else None
    if ca is None or anchor is None or anchor.timestamp is None:
        return None
    return timestamp.check(anchor.timestamp, bytes.fromhex(anchor.root.removeprefix("0x")), ca)


def _own_chain(drop: str) -> str:
    """The chain of the lab that this machine brought the drop up in."""
    held = next((stack for stack in stacks.known() if stack.kind == "drop" and stack.drop == drop), None)
    if held is None:
        raise BadUsage("nobody here knows the grant's key", "give --rpc <a node of the chain>, or --key <address>")
    return plan_lab(stacks.load(held.lab).slot).chain_url


def _tell(told: Receipt | Voucher, steps: list[Step], *, as_json: bool) -> None:
    made, receipt = voucher_of(told), told if isinstance(told, Receipt) else None
    if as_json:
        about = {"token_id": made.token_id, "drop": made.drop, "node": made.node, "to": made.voucher.to}
        about |= {"path": receipt.path, "status": receipt.status} if receipt else {}
        tell({"verified": True, **about, "steps": [asdict(step) for step in steps]})
        return
    answer(f"[green]good[/]: token {escape(f'{made.token_id} of {made.drop}, for {made.voucher.to}')}")
    for step in steps:
        mark = "[green]checked[/]    " if step.checked else "[yellow]not checked[/]"
        answer(f"  {mark}  {step.name:10}  {escape(step.told)}")
    if receipt:
        answer(f"path: {escape(receipt.path)}")
        answer("The path is the same whoever asks; the signature's bytes are not, so never name a mint by them.")


def _check_usage(rpc: str | None, key: str | None) -> None:
    if rpc is not None and key is not None:
        raise BadUsage("--rpc and --key exclude each other", "--rpc asks the chain for the key")
    if key is not None and not _is_address(key):
        raise BadUsage("--key is no address", "it is 0x and 40 hex digits, with its checksum (EIP-55) or in one case")


def _is_address(text: str) -> bool:
    return is_hex_address(text) and (is_checksum_address(text) or not is_checksum_formatted_address(text))


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise BadUsage(f"{file}: {fault.strerror}", "give the file's path") from fault


def _read(file: Path) -> Receipt | Voucher:
    try:
        return read(_bytes_of(file))
    except NoReceipt as fault:
        raise FaultyFile(f"{file.name}: {fault}", "give the file as the claim page saved it") from fault
    except ProtocolError as fault:
        raise NotVerified(f"{file.name} does not verify: {fault}", DO_NOT) from fault
