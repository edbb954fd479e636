"""Makes the vectors with eth-account alone: nothing of ours hashes or signs here. Run it only to add a vector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

KEY = Account.from_key("0x" + "a1" * 32)
CLAIM_KEY = Account.from_key("0x" + "c1" * 32)
ZERO = "0x" + "00" * 20
KEYED = 6  # the seq of a voucher for the claim key
WORD = 66  # 32 bytes as 0x hex
CONTRACT, CHAIN = "0x" + "c0" * 20, 31337
GRANT = "0x" + keccak(text="harbour-lights/quay-appliance1/1").hex()
TYPES = {
    "Voucher": "bytes32 grantId,uint8 tier,uint32 seq,address to,address claimKey,uint8 slot,bytes32 claimHash",
    "Batch": "bytes32 grantId,uint64 batchSeq,bytes32 root,uint32 count,uint64 issuedAt",
    "Claim": "string drop,uint8 tier,uint8 slot,bytes32 claimHash",
    "KeyClaim": "string drop,uint8 tier,bytes32 claimHash",
    "Receive": "bytes32 leafHash,address receiver",
    "CloseOut": "bytes32 grantId,uint32[] highSeqs",
    "Freeze": "bytes32 grantId,uint256 nonce,uint256 deadline",
    "Revoke": "bytes32 grantId,uint256 nonce,uint256 deadline",
    "Unfreeze": "bytes32 grantId,uint256 nonce,uint256 deadline",
    "AddRoots": "bytes32 grantId,bytes32[] roots,uint32[] highSeqs,uint256 nonce,uint256 deadline",
    "OpenGrant": "bytes32 grantId,address key,Lease[] leases,uint256 nonce,uint256 deadline",
    "Reclaim": "bytes32 grantId,uint8 tier,uint32 fromSeq,uint256 nonce,uint256 deadline",
    "MintLost": "bytes32 grantId,uint8 tier,uint32[] seqs,address[] receivers,uint256 nonce,uint256 deadline",
}
LEASE = "uint8 tier,uint40 start,uint32 quota,uint40 notBefore,uint40 redeemBy"
MARK = {"nonce": str(2**255 + 9), "deadline": 1_800_000_000}
ADDRESSES = ["0x" + "77" * 20, "0x" + "78" * 20]
ACTS: dict[str, dict[str, Any]] = {
    "Freeze": {},
    "Revoke": {},
    "Unfreeze": {},
    "AddRoots": {"roots": ["0x" + "01" * 32, "0x" + "02" * 32], "highSeqs": [3, 0, 2**32 - 1]},
    "OpenGrant": {
        "key": ADDRESSES[0],
        "leases": [
            {"tier": 0, "start": 951, "quota": 50, "notBefore": 1, "redeemBy": 1_800_000_000},
            {"tier": 255, "start": 2**40 - 1, "quota": 2**32 - 1, "notBefore": 0, "redeemBy": 2**40 - 1},
        ],
    },
    "Reclaim": {"tier": 1, "fromSeq": 5},
    "MintLost": {"tier": 1, "seqs": [3, 4], "receivers": ADDRESSES},
}


def fields(told: str) -> list[dict[str, str]]:
    """A struct's members as EIP-712's JSON has them."""
    return [dict(zip(("type", "name"), field.split(), strict=True)) for field in told.split(",")]


def binary(value: Any) -> Any:
    """What is written as 32 bytes of hex, as bytes."""
    if isinstance(value, list):
        return [binary(one) for one in value]
    return bytes.fromhex(value[2:]) if isinstance(value, str) and value[:2] == "0x" and len(value) == WORD else value


def typed(primary: str, message: dict[str, Any]) -> Any:
    """eth-account's signable message."""
    types = {primary: fields(TYPES[primary])} | ({"Lease": fields(LEASE)} if "Lease" in TYPES[primary] else {})
    domain = {"name": "Edgedrop", "version": "1", "chainId": CHAIN, "verifyingContract": CONTRACT}
    told = {name: binary(value) for name, value in message.items()}
    return encode_typed_data(domain_data=domain, message_types=types, message_data=told)


def leaf(seq: int) -> tuple[dict[str, Any], bytes, str]:
    """A voucher's struct, its hash and its claim id."""
    claim_id = f"claim-{seq}"
    message = {
        "grantId": GRANT,
        "tier": seq % 3,
        "seq": seq,
        "to": ZERO if seq == KEYED else "0x" + f"{seq + 1:040x}",
        "claimKey": CLAIM_KEY.address.lower() if seq == KEYED else ZERO,
    }
    message |= {"slot": seq % 2, "claimHash": "0x" + keccak(text=claim_id).hex()}
    return message, bytes(typed("Voucher", message).body), claim_id


def tree(leaves: list[bytes]) -> list[list[bytes]]:
    """Sorted pairs; an odd one goes up as it is."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        row = levels[-1]
        paired = [keccak(min(row[i : i + 2]) + max(row[i : i + 2])) for i in range(0, len(row) - 1, 2)]
        levels.append(paired + row[len(row) & ~1 :])
    return levels


def siblings(levels: list[list[bytes]], index: int) -> list[str]:
    """From a leaf up to the root."""
    proof = []
    for level in levels[:-1]:
        if index ^ 1 < len(level):
            proof.append("0x" + level[index ^ 1].hex())
        index //= 2
    return proof


def merkle(size: int) -> dict[str, Any]:
    """Leaf i is keccak256 of i as a uint256; the proofs of the first, the last and some between."""
    leaves = [keccak(i.to_bytes(32, "big")) for i in range(size)]
    levels = tree(leaves)
    places = sorted({0, 1 % size, size // 2, size - 1})
    proofs = [{"index": i, "leaf": "0x" + leaves[i].hex(), "proof": siblings(levels, i)} for i in places]
    return {"size": size, "root": "0x" + levels[-1][0].hex(), "proofs": proofs}


def by_claim_key(signable: Any) -> dict[str, str]:
    """The claim key's signature, and whose it is."""
    return {"key": CLAIM_KEY.address, "signature": "0x" + bytes(CLAIM_KEY.sign_message(signable).signature).hex()}


def receive(leaf_hash: str, receiver: str) -> dict[str, Any]:
    """What a claim key signs."""
    signable = typed("Receive", {"leafHash": leaf_hash, "receiver": receiver})
    digest = "0x" + keccak(b"\x19\x01" + signable.header + signable.body).hex()
    told = {"leaf_hash": leaf_hash, "receiver": receiver, "chain_id": CHAIN, "contract": CONTRACT}
    told |= {"digest": digest, "struct_hash": "0x" + bytes(signable.body).hex()}
    return told | by_claim_key(signable)


def vouchers(name: str, seqs: list[int]) -> list[dict[str, Any]]:
    """All vouchers of one batch."""
    leaves = [leaf(seq) for seq in seqs]
    levels = tree([hashed for _, hashed, _ in leaves])
    root = "0x" + levels[-1][0].hex()
    batch = {"grantId": GRANT, "batchSeq": len(seqs), "root": root, "count": len(seqs), "issuedAt": 1_790_000_000}
    signable = typed("Batch", batch)
    digest = keccak(b"\x19\x01" + signable.header + signable.body)
    signature = "0x" + bytes(KEY.sign_message(signable).signature).hex()
    found = []
    for index, (message, hashed, claim_id) in enumerate(leaves):
        proof = siblings(levels, index)
        body = {"schema": 1, "claim_id": claim_id, "drop": "harbour-lights", "node": "quay-appliance1"}
        body |= {"token_id": str(100 + message["seq"]), "chain_id": CHAIN, "contract": CONTRACT, "voucher": message}
        body |= {"proof": proof, "batch": batch, "signature": signature, "price_wei": "0"}
        found.append(
            {
                "name": f"{name}-{index}",
                "voucher": body,
                "leaf": "0x" + hashed.hex(),
                "digest": "0x" + digest.hex(),
                "key": KEY.address,
            }
        )
    return found


def claim(drop: str, tier: int, slot: int) -> dict[str, Any]:
    """What a wallet signs."""
    claim_id = f"{drop}-{tier}-{slot}"
    signable = typed(
        "Claim", {"drop": drop, "tier": tier, "slot": slot, "claimHash": "0x" + keccak(text=claim_id).hex()}
    )
    digest = "0x" + keccak(b"\x19\x01" + signable.header + signable.body).hex()
    return {
        "drop": drop,
        "tier": tier,
        "slot": slot,
        "claim_id": claim_id,
        "chain_id": CHAIN,
        "contract": CONTRACT,
        "digest": digest,
    }


def key_claim(drop: str, tier: int) -> dict[str, Any]:
    """What a claim key signs; it has slot 0."""
    claim_id = f"{drop}-{tier}"
    signable = typed("KeyClaim", {"drop": drop, "tier": tier, "claimHash": "0x" + keccak(text=claim_id).hex()})
    digest = "0x" + keccak(b"\x19\x01" + signable.header + signable.body).hex()
    told = {"drop": drop, "tier": tier, "claim_id": claim_id, "chain_id": CHAIN, "contract": CONTRACT, "digest": digest}
    return told | by_claim_key(signable)


def act(name: str, message: dict[str, Any]) -> dict[str, Any]:
    """What holders sign, and one signature of theirs; numbers beyond 2**53 are text, for every language to read."""
    whole = {"grantId": GRANT} | message
    signable = typed(name, {key: int(value) if key == "nonce" else value for key, value in whole.items()})
    digest = "0x" + keccak(b"\x19\x01" + signable.header + signable.body).hex()
    told = {"type": name, "chain_id": CHAIN, "contract": CONTRACT, "message": whole, "digest": digest}
    return told | {"key": KEY.address, "signature": "0x" + bytes(KEY.sign_message(signable).signature).hex()}


def write(name: str, made: object) -> None:
    """As a file that any language reads."""
    Path(__file__).with_name(f"{name}.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    made = {
        "vouchers": vouchers("lone", [0]) + vouchers("five", [1, 2, 3, 4, 5]) + vouchers("keyed", [KEYED, 7]),
        "claims": [claim("harbour-lights", 0, 0), claim("größe", 2, 7)],
        "key_claims": [key_claim("harbour-lights", 0), key_claim("größe", 255)],
    }
    write("voucher", made)
    write("merkle", [merkle(size) for size in (1, 2, 3, 64, 512)])
    acts = [act(name, message | MARK) for name, message in ACTS.items()]
    write("act", [*acts, act("CloseOut", {"highSeqs": [64, 0, 7]})])
    write("receive", [receive("0x" + "5a" * 32, "0x" + "b7" * 20), receive("0x" + "00" * 32, KEY.address)])
