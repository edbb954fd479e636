"""An act's file: read from its copies, and where on this machine's knowledge it would go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from infra import stacks
from infra.errors import BadUsage, EdgedropError, FaultyFile, NotVerified
from infra.ops.drops import plan_of
from infra.ops.place import Place, find_place
from node_image.protocol import collected as collecting
from node_image.protocol.collected import Collected, Signature
from node_image.protocol.errors import ProtocolError
from node_image.protocol.typed_data import check


def read_act(files: Sequence[Path]) -> Collected:
    """One act from its copies; every signature in them that anyone can check is checked."""
    copies = [_read(file) for file in files]
    for file, copy in zip(files, copies, strict=True):
        if copy.digest() != copies[0].digest():
            raise NotVerified(f"{file.name} is another act than {files[0].name}", "give copies of one act")
    found: dict[str, Signature] = {}
    for one in (one for copy in copies for one in copy.signatures):
        found.setdefault(one.holder.lower(), one)
    first = copies[0]
    return Collected(first.schema, first.chain_id, first.contract, first.act, tuple(found.values()))


def _read(file: Path) -> Collected:
    try:
        data = file.read_bytes()
    except OSError as fault:
        raise BadUsage(f"{file}: {fault.strerror}", "give the act's file, as --out wrote it") from fault
    try:
        found = check(collecting.load(data))
        found.words()
    except (ProtocolError, ValueError) as fault:
        raise FaultyFile(f"{file.name}: {fault}", "give the act's file, as --out wrote it") from fault
    return found


def place_of(wanted: Collected, rpc: str | None) -> tuple[Place | None, list[str]]:
    """Where the act goes, if this machine knows or is told; else what could not be looked at."""
    stack = _known(wanted.contract)
    unseen = [] if stack else ["whether the contract is the drop's own (its plan is not on this machine)"]
    if rpc is None and stack is None:
        return None, ["the chain", "whether the signers are holders", *unseen]
    place = find_place(stack, rpc, wanted.contract)
    if place.chain_id != wanted.chain_id:
        raise BadUsage(
            f"the act is for chain {wanted.chain_id}, this node is of chain {place.chain_id}", "another --rpc"
        )
    return place, unseen


def _known(contract: str) -> str | None:
    """The drop of this machine whose contract it is."""
    for name in stacks.drops():
        try:
            plan = plan_of(stacks.load(name))
        except EdgedropError:
            continue
        if plan.contract.address.lower() == contract.lower():
            return name
    return None
