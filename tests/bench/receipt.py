"""A receipt's size, section by section, and how long it takes to follow one, against eth-account in the same run."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from node_image.protocol import eip712, manifest, merkle, receipt
from node_image.protocol.address import checksummed
from node_image.protocol.audit import Known, audit
from node_image.protocol.receipt import Anchor, LeaseBody, Receipt
from node_image.protocol.signature import address_of, to_rsv
from node_image.protocol.voucher import BatchBody, Voucher, VoucherBody
from tests.bench.measure import Measure
from tests.tsa import Tsa

DEPTHS = (0, 6, 9, 10)  # a lone voucher; batches of 64, 512, 1,024
TOKENS, CHECKPOINT = 60, 1024  # as Harbour Lights has; batches under one root
ROUNDS = 300
DROP, NODE, CONTRACT = "harbour-lights", "quay-appliance1", b"\x5f" * 20
KEY = PrivateKey(b"\x22" * 32)
DOMAIN = {"name": "Edgedrop", "version": "1", "chainId": 31337, "verifyingContract": "0x" + CONTRACT.hex()}
TYPES = {
    "Voucher": "bytes32 grantId,uint8 tier,uint32 seq,address to,address claimKey,uint8 slot,bytes32 claimHash",
    "Batch": "bytes32 grantId,uint64 batchSeq,bytes32 root,uint32 count,uint64 issuedAt",
}


def run() -> list[Measure]:
    """All measures of this bench."""
    found = []
    for depth in DEPTHS:
        made = issue(depth)
        load = f"depth {depth}"
        text = float(len(receipt.to_json(made)))
        sizes = receipt.sizes(made)
        found.append(Measure(f"core_depth{depth}_bytes", "B", sizes["core"], None, f"{load}, with no section"))
        found.append(Measure(f"whole_depth{depth}_bytes", "B", sizes["total"], text, f"{load}, all but RFC 3161; JSON"))
        found.append(Measure(f"audit_depth{depth}_us", "us", audit_us(made), oracle_us(made), f"{load}; eth-account"))
    return found + [Measure(f"section_{name}_bytes", "B", size, None, load) for name, size, load in sections()]


def sections() -> list[tuple[str, float, str]]:
    """Each optional one alone."""
    sizes = receipt.sizes(stamped(issue(6)))
    loads = {
        "transaction": "a hash",
        "manifest": f"one of {TOKENS} tokens",
        "anchor": f"one of {CHECKPOINT} batches",
        "timestamp": "openssl ts, P-256, with its certificate; one a checkpoint",
    }
    return [(name, sizes[name], load) for name, load in loads.items()]


def issue(depth: int) -> Receipt:
    """The receipt of the first of 2^depth vouchers, with all sections but the timestamp."""
    grant = eip712.grant_id(DROP, NODE, 1)
    claim_id = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    leaf = eip712.Voucher(grant, 0, 3, b"\x0a" * 20, bytes(20), 0, eip712.claim_hash(claim_id))
    levels = merkle.tree([leaf.struct_hash(), *(eip712.keccak(bytes([i % 256, i >> 8])) for i in range(2**depth - 1))])
    batch = eip712.Batch(grant, 1234, levels[-1][0], 2**depth, 1_790_000_001)
    digest = eip712.digest(eip712.Domain(31337, CONTRACT).separator, batch.struct_hash())
    raw = KEY.sign_recoverable(digest, hasher=None)[:64]
    signature = to_rsv(digest, raw, KEY.public_key.format(compressed=False))
    body = VoucherBody(h(grant), 0, 3, h(leaf.to), h(leaf.claim_key), 0, h(leaf.claim_hash))
    header = BatchBody(h(grant), 1234, h(batch.root), batch.count, batch.issued_at)
    proof = [h(sibling) for sibling in merkle.proof(levels, 0)]
    names = (1, claim_id, DROP, NODE, "4", 31337, checksummed(CONTRACT))
    voucher = Voucher(*names, body, proof, header, h(signature), "0")
    lease = LeaseBody(1, 400, 1_789_000_000, 1_791_000_000)
    tx = h(b"\x7a" * 32)
    return receipt.make(voucher, 1, lease, tx=tx, manifest=membership(), anchor=anchored(digest))


def membership() -> manifest.Membership:
    """Of token 4."""
    sha256 = hashlib.sha256(b"asset").hexdigest()
    tokens = [
        manifest.Token(i, "print", f"Harbour Lights: Print {i}/40", f"print/print-{i:02}.png", sha256)
        for i in range(1, TOKENS + 1)
    ]
    return manifest.memberships(manifest.build(DROP, tokens))[4]


def anchored(digest: bytes) -> Anchor:
    """Under a checkpoint of many batches."""
    levels = merkle.tree([digest, *(eip712.keccak(i.to_bytes(4)) for i in range(CHECKPOINT - 1))])
    return Anchor(h(levels[-1][0]), tuple(h(sibling) for sibling in merkle.proof(levels, 0)), h(b"\x7b" * 32))


def stamped(made: Receipt) -> Receipt:
    """With a real authority's reply."""
    if made.anchor is None:
        raise ValueError("no anchor to stamp")
    anchor = made.anchor
    query = TimestampRequestBuilder(bytes.fromhex(anchor.root[2:]), HashAlgorithm.SHA256).build().as_bytes()
    with TemporaryDirectory() as folder:
        tsa = Tsa(Path(folder))
        tsa.make()
        stamp = Anchor(anchor.root, anchor.proof, anchor.tx, tsa.reply(query))
    return receipt.make(made.voucher, 1, made.lease, tx=made.tx, manifest=made.manifest, anchor=stamp)


def audit_us(made: Receipt) -> float:
    """From the compact bytes to all offline steps."""
    data, key = receipt.to_cbor(made), checksummed(address_of(KEY.public_key.format(compressed=False)))
    return median_us(lambda: audit(receipt.from_cbor(data), Known(key=key)))


def oracle_us(made: Receipt) -> float:
    """JSON, leaf, proof and signer by eth-account: less than the audit does."""
    data = receipt.to_json(made)

    def follow() -> str:
        told = json.loads(data)["voucher"]
        hashed = bytes(typed("Voucher", told["voucher"]).body)
        for sibling in told["proof"]:
            pair = sorted((hashed, bytes.fromhex(sibling[2:])))
            hashed = eip712.keccak(pair[0] + pair[1])
        if hashed.hex() != told["batch"]["root"][2:]:
            raise ValueError("not under the root")
        return str(Account.recover_message(typed("Batch", told["batch"]), signature=told["signature"]))

    return median_us(follow)


def typed(primary: str, message: dict[str, object]) -> SignableMessage:
    """As eth-account hashes it."""
    fields = [dict(zip(("type", "name"), field.split(), strict=True)) for field in TYPES[primary].split(",")]
    raw = {field["name"] for field in fields if field["type"] == "bytes32"}
    told = {name: bytes.fromhex(str(value)[2:]) if name in raw else value for name, value in message.items()}
    return encode_typed_data(domain_data=DOMAIN, message_types={primary: fields}, message_data=told)


def median_us(what: Callable[[], object]) -> float:
    """Of ROUNDS calls."""
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        what()
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent) * 1e6


def h(data: bytes) -> str:
    """0x hex."""
    return "0x" + data.hex()
