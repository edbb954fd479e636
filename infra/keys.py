"""The control side's keys and secrets: files under EDGEDROP_HOME, made on first need, readable by their owner alone.

They are never an input or output of a Pulumi resource: a provider reads them here, so no state holds them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import get_native_id

from coincurve import PrivateKey
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_utils.address import to_checksum_address

from infra.home import home, place, write_private
from node_image.protocol import dsse, witness
from node_image.protocol.acts import HOLDERS
from node_image.protocol.signature import address_of


def owner_pem() -> bytes:
    """The drop owner's ed25519 key: signs manifests, leases, announcements, releases."""
    return kept("owner.pem", dsse.new_private_pem)


def owner_public_pem() -> bytes:
    """Its public half, which every node is given."""
    return dsse.public_pem(owner_pem())


def witness_pem() -> bytes:
    """The hub's ed25519 key that vouches for how far a journal goes."""
    return kept("witness.pem", dsse.new_private_pem)


def witness_public_pem() -> bytes:
    """Its public half, which every node is to be given."""
    return dsse.public_pem(witness_pem())


def site_witness_pem(drop: str, place: str) -> bytes:
    """The ed25519 key of a witness at a site: a node's by the node's name, a front's as `<geo>-front`."""
    return kept(f"witness.{drop}.{place}.pem", dsse.new_private_pem)


def witnesses() -> dict[str, str]:
    """Who may vouch for any node's journal, wherever it stands: public keys by name."""
    return {witness.HUB: witness_public_pem().decode()}


def responder_pem() -> bytes:
    """The incident responder's ed25519 key: signs commands to boxes, and nothing that the owner's signs beside them."""
    return kept("responder.pem", dsse.new_private_pem)


def commanders() -> dict[str, str]:
    """Who may command a box: public keys by name."""
    return {"owner": owner_public_pem().decode(), "responder": dsse.public_pem(responder_pem()).decode()}


def operator_key() -> str:
    """The account that deploys contracts and opens leases (0x hex)."""
    return kept("operator.key", _account).decode()


def relayer_key() -> str:
    """The account that redeems free vouchers (0x hex)."""
    return kept("relayer.key", _account).decode()


def hub_key() -> str:
    """The account that anchors checkpoints and agrees to close-outs (0x hex)."""
    return kept("hub.key", _account).decode()


def hub_address() -> str:
    """The hub's account, checksummed."""
    return _address(hub_key())


def holder_keys() -> tuple[str, ...]:
    """Three holders (0x hex) for drops on a development chain that name none; real holders keep theirs elsewhere."""
    return tuple(kept(f"holder-{number}.key", _account).decode() for number in range(1, HOLDERS + 1))


def holder_addresses() -> tuple[str, ...]:
    """Their accounts, checksummed, in the keys' order."""
    return tuple(_address(key) for key in holder_keys())


def operator_address() -> str:
    """The operator's account, checksummed."""
    return _address(operator_key())


def relayer_address() -> str:
    """The relayer's account, checksummed."""
    return _address(relayer_key())


def ssh_key() -> Path:
    """The file of the key that reaches the boxes (OpenSSH form, ed25519)."""
    kept("ssh.key", _ssh_private)
    return home() / "keys" / "ssh.key"


def ssh_public_key() -> str:
    """Its public half, as a line of authorized_keys."""
    private = serialization.load_ssh_private_key(ssh_key().read_bytes(), None)
    line = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{line.decode()} edgedrop"


def bus_secret() -> str:
    """What nodes and hub services show to the bus."""
    return kept("bus.secret", _secret).decode()


def db_secret() -> str:
    """The ledger database's password."""
    return kept("db.secret", _secret).decode()


def manifest_digest(drop: str) -> str | None:
    """The digest of the drop's signed manifest (0x hex), None before `edgedrop manifest sign`."""
    path = home() / "drops" / drop / "digest"
    return path.read_text().strip() if path.exists() else None


def _ssh_private() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def _account() -> bytes:
    return ("0x" + PrivateKey().to_hex()).encode()


def _secret() -> bytes:
    return secrets.token_hex(24).encode()


def _address(key: str) -> str:
    point = PrivateKey.from_hex(key.removeprefix("0x")).public_key.format(compressed=False)
    return to_checksum_address(address_of(point))


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """A file of keys/, made on first need: of two that need it at once, runs or threads, one makes it for both."""
    path = place("keys", name)
    if not path.exists():
        made = path.with_name(f"{name}.{os.getpid()}.{get_native_id()}")
        write_private(made, make())
        with suppress(FileExistsError):
            os.link(made, path)  # whole or not at all, and never over another
        made.unlink()
    return path.read_bytes()
