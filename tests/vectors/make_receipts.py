"""Makes receipt.json with eth-account, cbor2 and the standard library: nothing of ours hashes, signs or encodes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import cbor2
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.vectors.make import CHAIN, CONTRACT, KEY, KEYED, ZERO, siblings, tree, vouchers, write

START, QUOTA, TIMES = 100, 50, (1_789_000_000, 1_791_000_000)
DROP, NODE, EPOCH = "harbour-lights", "quay-appliance1", 1
ASSET = b"a lighthouse, drawn"
PRICE, COIN = 5_000_000, "0x5fbdb2315678afecb367f032d93f642f64180aa3"
TX, ANCHOR_TX, OWNER = "0x" + "7a" * 32, "0x" + "7b" * 32, "0x" + "0b" * 20


def unhex(text: str) -> bytes:
    """Bytes."""
    return bytes.fromhex(text[2:])


def manifest() -> tuple[list[dict[str, Any]], list[list[bytes]], str]:
    """60 tokens, their tree, and the digest that stands on chain."""
    sha256 = hashlib.sha256(ASSET).hexdigest()
    entries = [
        {"asset": f"print/{i}.png", "name": f"Größe „{i}“\n", "sha256": sha256, "sku": None if i % 2 else f"S-{i}"}
        | {"tier": "print", "token_id": i}
        for i in range(START, START + 60)
    ]
    levels = tree([keccak(keccak(canonical(entry))) for entry in entries])
    head = {"count": len(entries), "drop": DROP, "root": "0x" + levels[-1][0].hex(), "schema": 2}
    return entries, levels, "0x" + hashlib.sha256(canonical(head)).hexdigest()


def canonical(told: dict[str, Any]) -> bytes:
    """RFC 8785, for what holds no floats and only ASCII keys."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def made(
    index: int, *, full: bool, seen: bool = True, paid: bool = False, of: tuple[int, ...] = (1, 2, 3, 4, 5)
) -> dict[str, Any]:
    """A receipt of a batch, of five by itself, with its compact form, and what a chain says of it."""
    told = vouchers("", list(of))[index]
    voucher, leaf, digest = told["voucher"] | {"contract": to_checksum_address(CONTRACT)}, told["leaf"], told["digest"]
    entries, levels, manifest_digest = manifest()
    place = voucher["voucher"]["seq"]
    status = "anchored" if full else "not yet anchored"
    path = f"{DROP}/{NODE}/{EPOCH}/{voucher['batch']['batchSeq']}/{leaf}"
    receipt: dict[str, Any] = {"schema": 1, "kind": "edgedrop receipt", "path": path, "status": status, "epoch": EPOCH}
    lease = {"start": START, "quota": QUOTA, "notBefore": TIMES[0], "redeemBy": TIMES[1]}
    receipt |= {"voucher": voucher, "lease": lease}
    compact = core(voucher)
    if paid:
        voucher |= {"price_wei": str(PRICE), "currency": to_checksum_address(COIN)}
        compact |= {12: PRICE, 13: unhex(COIN)}
    if full:
        entry, proof = entries[place], siblings(levels, place)
        receipt["tx"] = TX
        receipt["manifest"] = {"entry": entry, "count": len(entries), "proof": proof}
        compact[20] = unhex(TX)
        parts = [entry["tier"], entry["name"], entry["asset"], bytes.fromhex(entry["sha256"]), entry["sku"]]
        compact[21] = [len(entries), *parts, b"".join(map(unhex, proof))]
        checkpoint = tree([keccak(bytes([i])) for i in range(3)] + [unhex(digest)])
        above = siblings(checkpoint, 3)
        anchor_tx = ANCHOR_TX if seen else None
        receipt["anchor"] = {"root": "0x" + checkpoint[-1][0].hex(), "proof": above, "tx": anchor_tx, "timestamp": None}
        compact[22] = [b"".join(map(unhex, above)), unhex(ANCHOR_TX) if seen else None]
    chain = {"chain_id": CHAIN, "key": KEY.address, "lease": lease, "manifest_digest": manifest_digest}
    chain |= {"price_wei": PRICE if paid else 0, "currency": to_checksum_address(COIN) if paid else None}
    chain |= {"grant": "open", "issued": full, "anchored_at": 1_790_000_600 if full and seen else None}
    chain |= {"owner": OWNER if full else None, "tx_redeems": full}
    return {"receipt": receipt, "compact": cbor2.dumps(compact, canonical=True).hex(), "chain": chain}


def core(voucher: dict[str, Any]) -> dict[int, Any]:
    """What is in every compact receipt."""
    body, batch = voucher["voucher"], voucher["batch"]
    parts: list[Any] = [1, voucher["claim_id"], DROP, NODE, EPOCH, CHAIN, unhex(CONTRACT)]
    by_key = body["to"] == ZERO
    parts += [[body["tier"], body["seq"], body["slot"], unhex(body["claimKey" if by_key else "to"]), by_key]]
    parts += [[batch["batchSeq"], batch["count"], batch["issuedAt"]], b"".join(map(unhex, voucher["proof"]))]
    parts += [unhex(voucher["signature"]), [START, QUOTA, *TIMES], int(voucher["price_wei"])]
    return dict(enumerate(parts))


def changed(path: str, value: Any) -> dict[str, Any]:
    """One thing that is not so: where in the full receipt, and what stands there instead."""
    at: Any = made(2, full=True, paid=True)["receipt"]
    for name in path.split("."):
        at = at[name]
    if at == value:
        raise ValueError(f"{path} is {value} anyway")
    return {"path": path, "value": value}


def broken() -> list[dict[str, Any]]:
    """Each change must be refused, by every verifier."""
    other = made(1, full=True)["receipt"]
    return [
        changed("path", other["path"]),
        changed("status", "not yet anchored"),
        changed("epoch", 2),
        changed("voucher.claim_id", "another"),
        changed("voucher.token_id", "104"),
        changed("voucher.node", "quay-appliance2"),
        changed("voucher.drop", "harbour-light"),
        changed("voucher.chain_id", 1),
        changed("voucher.contract", "0x" + "c1" * 20),
        changed("voucher.voucher.to", "0x" + "99" * 20),
        changed("voucher.voucher.seq", 4),
        changed("voucher.proof", other["voucher"]["proof"]),
        changed("voucher.batch.issuedAt", 1_790_000_001),
        changed("voucher.batch.root", "0x" + "11" * 32),
        changed("voucher.price_wei", "0"),
        changed("voucher.currency", "0x" + "c1" * 20),
        changed("voucher.signature", "0x" + "11" * 64 + "1b"),
        changed("lease.quota", 51),
        changed("lease.start", 99),
        changed("manifest.count", 61),
        changed("manifest.entry.sha256", "11" * 32),
        changed("manifest.entry.name", "Another"),
        changed("manifest.entry.token_id", 102),
        changed("manifest.proof", other["manifest"]["proof"]),
        changed("anchor.root", "0x" + "11" * 32),
        changed("anchor.proof", []),
    ]


if __name__ == "__main__":
    good = {
        "full": made(2, full=True, paid=True),
        "anchored unseen": made(4, full=True, seen=False),
        "just claimed": made(0, full=False),
        "by claim key": made(0, full=True, of=(KEYED, 7)),
    }
    told = [{"name": name} | one for name, one in good.items()]
    write("receipt", {"receipts": told, "broken": broken(), "asset": "0x" + ASSET.hex()})
