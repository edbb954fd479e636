"""The manifest: tokens with their assets' fingerprints, signed by the owner; and the zip that carries both.

What stands on chain is the SHA-256 of the manifest's head, `{"count", "drop", "root", "schema"}` in canonical JSON,
with a Merkle root over the tokens. So a receipt can show that one token is in the manifest with its entry and a few
hashes, and needs neither the other tokens nor the owner's envelope. (Schema 1 was hashed whole.)
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import rfc8785

from node_image.protocol import dsse, merkle
from node_image.protocol.eip712 import keccak
from node_image.protocol.errors import NotVerified

SCHEMA = 2
PAYLOAD_TYPE = "application/vnd.edgedrop.manifest+json"
ENVELOPE = "manifest.dsse.json"
ASSETS = "assets/"
# A zip's dates are not content: all are the format's first day, so that the same drop is the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One token; `sha256` is the asset's, `asset` its name in the content's `assets/`."""

    token_id: int
    tier: str
    name: str
    asset: str
    sha256: str
    sku: str | None = None

    def leaf(self) -> bytes:
        """Its place in the manifest's tree. Hashed twice: 32 bytes can't be taken for a node's 64."""
        return keccak(keccak(rfc8785.dumps(msgspec.to_builtins(self))))


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All tokens of a drop, by token id."""

    schema: int
    drop: str
    tokens: tuple[Token, ...]

    def payload(self) -> bytes:
        """Canonical JSON (RFC 8785): what the owner signs."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    def tree(self) -> list[list[bytes]]:
        """The Merkle tree over the tokens."""
        return merkle.tree([token.leaf() for token in self.tokens])


class Head(msgspec.Struct, frozen=True):
    """What the digest is over; `root` is 0x hex."""

    count: int
    drop: str
    root: str
    schema: int = SCHEMA


class Membership(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a token is in a manifest: its entry, and the siblings (0x hex) up to the root of a manifest of `count`."""

    entry: Token
    count: int
    proof: tuple[str, ...]

    def digest(self, drop: str) -> str:
        """The manifest digest that this leads to; whoever has it from the chain compares."""
        siblings = [bytes.fromhex(sibling.removeprefix("0x")) for sibling in self.proof]
        return head_digest(drop, self.count, merkle.climb(self.entry.leaf(), siblings))


def build(drop: str, tokens: Iterable[Token]) -> Manifest:
    """The manifest of these tokens, by token id; ValueError when two share one."""
    ordered = tuple(sorted(tokens, key=lambda token: token.token_id))
    if len({token.token_id for token in ordered}) != len(ordered):
        raise ValueError("two tokens have the same id")
    return Manifest(SCHEMA, drop, ordered)


def fingerprint(asset: bytes) -> str:
    """SHA-256 of an asset's bytes, hex."""
    return hashlib.sha256(asset).hexdigest()


def digest(payload: bytes) -> str:
    """What stands on chain of a manifest (0x hex)."""
    manifest = _decode(payload)
    return head_digest(manifest.drop, len(manifest.tokens), manifest.tree()[-1][0])


def head_digest(drop: str, count: int, root: bytes) -> str:
    """SHA-256 of the manifest's head (0x hex)."""
    head = Head(count, drop, "0x" + root.hex())
    return "0x" + hashlib.sha256(rfc8785.dumps(msgspec.to_builtins(head))).hexdigest()


def memberships(manifest: Manifest) -> dict[int, Membership]:
    """The proof of every token, by token id."""
    levels = manifest.tree()
    count = len(manifest.tokens)
    return {
        token.token_id: Membership(token, count, tuple("0x" + sibling.hex() for sibling in merkle.proof(levels, place)))
        for place, token in enumerate(manifest.tokens)
    }


def sign(manifest: Manifest, private_pem: bytes) -> bytes:
    """The manifest in the owner's envelope."""
    return dsse.sign(PAYLOAD_TYPE, manifest.payload(), private_pem)


def verify(envelope: bytes, public_pem: bytes, assets: Mapping[str, bytes]) -> Manifest:
    """The manifest, when the owner signed it and every asset is the one it names; else NotVerified."""
    manifest = _decode(dsse.verify(envelope, PAYLOAD_TYPE, public_pem))
    for token in manifest.tokens:
        _verify_asset(token, assets)
    return manifest


def _decode(payload: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(payload, type=Manifest)
    except msgspec.DecodeError as fault:
        raise NotVerified(f"the manifest is not of schema {SCHEMA}: {fault}") from fault
    if manifest.schema != SCHEMA:
        raise NotVerified(f"the manifest is of schema {manifest.schema}, not of {SCHEMA}")
    if not manifest.tokens:
        raise NotVerified("the manifest has no token")
    return manifest


def _verify_asset(token: Token, assets: Mapping[str, bytes]) -> None:
    if token.asset not in assets:
        raise NotVerified(f"token {token.token_id}: its asset {token.asset} is missing")
    if fingerprint(assets[token.asset]) != token.sha256:
        raise NotVerified(f"token {token.token_id}: {token.asset} is not the file that the manifest names")


def content_zip(envelope: bytes, assets: Mapping[str, bytes]) -> bytes:
    """Manifest and assets in one file; the same input gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(ENVELOPE, EPOCH), envelope)
        for name in sorted(assets):
            archive.writestr(zipfile.ZipInfo(ASSETS + name, EPOCH), assets[name])
    return out.getvalue()


def read_content(path: Path) -> tuple[bytes, dict[str, bytes]]:
    """The envelope and the assets by name; NotVerified when it is no such zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith(ASSETS)]
            return archive.read(ENVELOPE), {name.removeprefix(ASSETS): archive.read(name) for name in names}
    except (OSError, KeyError, zipfile.BadZipFile) as fault:
        raise NotVerified(f"{path.name} is no drop content: {fault}") from fault
