"""The hub's cloud signer, asked from the control side: the key of a grant it is told of, and whether it may sign."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from infra import certificates, keys
from infra.errors import NotVerified, Unreachable
from infra.home import place
from infra.provision.wait import READY_S, until
from node_image.peers import PeerClient, client_context
from node_image.protocol import facts as drop_facts
from node_image.protocol.facts import DropFacts
from node_image.signer.client import SignerAway, SignerRefused

HINT = "is the lab's cloud signer up? type: edgedrop up <lab>"
NO = "bad_claim"  # its word for an envelope that it will never take


def cloud_key(at: str, facts: DropFacts) -> str:
    """The address of the grant's key, made where the cloud signer hears of this grant for the first time."""
    envelope = drop_facts.sign(facts, keys.owner_pem())

    def look() -> tuple[str, str]:
        try:
            return str(ask(at, certificates.node_file(*certificates.CONTROL), "grant", envelope=envelope)["key"]), ""
        except SignerRefused as refusal:
            if refusal.code == NO:
                raise NotVerified(
                    f"the cloud signer does not take the grant of {facts.node}: {refusal}",
                    "a changed drop needs its next epoch; on a development chain begin anew: edgedrop down --all",
                ) from refusal
            return "", str(refusal)
        except SignerAway as fault:
            return "", str(fault)

    return until(look, READY_S, f"the cloud signer told no key for {facts.node}", HINT)


def await_cloud_ready(at: str, drop: str, node: str) -> None:
    """Until it holds the leases for this node, asked as the node will ask."""

    def look() -> tuple[str, str]:
        try:
            told = status(at, drop, node)
        except (SignerRefused, SignerAway) as fault:
            return "", str(fault)
        return ("ready", "") if told["ready"] else ("", str(told["reason"]))

    until(look, READY_S, f"the cloud signer is not ready for {node}", HINT)


def close(at: str, name: str, command: bytes) -> dict[str, Any]:
    """The high seqs of the grant `name` and its lease key's signature over them; from then on it signs nothing."""
    try:
        told = ask(at, certificates.node_file(*certificates.CONTROL), "close", envelope=command)
    except (SignerRefused, SignerAway) as fault:
        raise Unreachable(f"the cloud signer did not close {name}: {fault}", HINT) from fault
    return {"high_seqs": told["high_seqs"], "signature": "0x" + told["signature"].hex()}


def status(at: str, drop: str, node: str) -> dict[str, Any]:
    """What it says of the grant that it holds for the node; SignerRefused or SignerAway."""
    return ask(at, certificates.node_file(drop, node), "status")


def ask(at: str, own_pem: Path, op: str, **fields: object) -> dict[str, Any]:
    """One question by the holder of this certificate."""
    host, _, port = at.rpartition(":")
    certificates.authority_pem()
    context = client_context(own_pem, place("keys", "authority.pem"))

    async def asked() -> dict[str, Any]:
        return await PeerClient(host, int(port), context).ask(op, **fields)

    return asyncio.run(asked())
