"""A bundle's TUF metadata: root and targets signed by the owner's key, snapshot and timestamp by a key made for them.

Versions are Unix seconds: a later bundle is a newer one, whichever machine made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from infra import keys
from node_image.protocol import dsse

ROOT_DAYS = 3650  # a bundle's own expiry is the timestamp's
ALL = ("root", "targets", "snapshot", "timestamp")
BY_OWNER = ("root", "targets")


def owner_key(public_pem: bytes) -> SSlibKey:
    """The owner's public key as TUF names it."""
    key = serialization.load_pem_public_key(public_pem)
    assert isinstance(key, Ed25519PublicKey)  # noqa: S101  for mypy: infra/keys makes no other
    return SSlibKey.from_crypto(key)


def signed(files: Mapping[str, TargetFile], now: int, days: float) -> dict[str, bytes]:
    """The metadata by file name, in the order in which it is to be written."""
    owner, bundler = _signer(keys.owner_pem()), _signer(keys.kept("bundle.pem", dsse.new_private_pem))
    expires = datetime.fromtimestamp(now, UTC) + timedelta(days=days)
    targets = _bytes(Metadata(Targets(now, expires=expires, targets=dict(files))), owner)
    snapshot = _bytes(Metadata(Snapshot(now, expires=expires, meta={"targets.json": _meta(now, targets)})), bundler)
    stamp = _bytes(Metadata(Timestamp(now, expires=expires, snapshot_meta=_meta(now, snapshot))), bundler)
    made = {"1.root.json": _root(owner, bundler, now), "targets.json": targets, "snapshot.json": snapshot}
    return made | {"timestamp.json": stamp}


def _root(owner: CryptoSigner, bundler: CryptoSigner, now: int) -> bytes:
    until = datetime.fromtimestamp(now, UTC) + timedelta(days=ROOT_DAYS)
    root = Root(1, expires=until, consistent_snapshot=False)
    for role in ALL:
        root.add_key((owner if role in BY_OWNER else bundler).public_key, role)
    return _bytes(Metadata(root), owner)


def _signer(private_pem: bytes) -> CryptoSigner:
    key = serialization.load_pem_private_key(private_pem, None)
    assert isinstance(key, Ed25519PrivateKey)  # noqa: S101  for mypy, as above
    return CryptoSigner(key)


def _meta(version: int, data: bytes) -> MetaFile:
    return MetaFile.from_data(version, data, ["sha256"])


def _bytes[T: (Root, Targets, Snapshot, Timestamp)](metadata: Metadata[T], signer: CryptoSigner) -> bytes:
    metadata.sign(signer)
    return metadata.to_bytes(JSONSerializer(compact=True))
