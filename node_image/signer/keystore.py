"""Where a grant's key lives, by URI. `pkcs11:` is any module by path (SoftHSM2 in the box).

python-pkcs11 initialises modules without locking: every call while serving is made on one thread, the HSM thread.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import parse_qsl, urlsplit

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from node_image.protocol.signature import to_rsv

UNCOMPRESSED_POINT = 65
INIT_S = 20


class HsmFault(Exception):
    """The HSM did not do what it was asked; the signer stops until it does."""


class Key(Protocol):
    """One grant's key."""

    public: bytes  # 65 bytes, uncompressed

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r, s, v over exactly 32 bytes."""


class SigningKey(Protocol):
    """python-pkcs11's private key of a mechanism that signs; its stubs leave `sign` out."""

    def sign(self, data: bytes, *, mechanism: Mechanism) -> bytes:
        """C_Sign."""


class Keystore(Protocol):
    """Keys by label; made on first need and never taken out."""

    def key(self, label: str) -> Key:
        """The key of this label."""


def open_keystore(uri: str) -> Keystore:
    """`pkcs11:?module=<path>&token=<label>&pin-file=<path>`; the token is made where SoftHSM has none yet."""
    parts = urlsplit(uri)
    told = dict(parse_qsl(parts.query))
    missing = {"module", "token", "pin-file"} - told.keys()
    if parts.scheme != "pkcs11" or missing:
        raise ValueError(
            f"keystore is pkcs11:?module=..&token=..&pin-file=.., missing {', '.join(sorted(missing)) or parts.scheme}"
        )
    return Pkcs11Keystore(told["module"], told["token"], Path(told["pin-file"]))


class Pkcs11Keystore:
    """A token of a PKCS#11 module, logged in once for the process's life."""

    def __init__(self, module: str, token: str, pin_file: Path) -> None:
        if not pin_file.exists():
            _make_softhsm_token(module, token, pin_file)
        try:
            self._session = pkcs11.lib(module).get_token(token_label=token).open(rw=True, user_pin=pin_file.read_text())
        except pkcs11.PKCS11Error as fault:
            raise HsmFault(f"token {token} cannot be opened: {fault!r}") from fault

    def key(self, label: str) -> Key:
        """Find the key pair by its label or make it: secp256k1, sensitive, not extractable."""
        try:
            private = self._session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC, label)
            public = self._session.get_key(ObjectClass.PUBLIC_KEY, KeyType.EC, label)
        except pkcs11.NoSuchKey:
            public, private = self._generate(label)
        # CKA_EC_POINT is the point in a DER octet string (PKCS #11 3.0, 2.3.3): the point is its last 65 bytes.
        return Pkcs11Key(cast("SigningKey", private), bytes(public[Attribute.EC_POINT])[-UNCOMPRESSED_POINT:])

    def _generate(self, label: str) -> tuple[pkcs11.PublicKey, pkcs11.PrivateKey]:
        curve = self._session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256k1")}, local=True
        )
        return curve.generate_keypair(
            store=True,
            label=label,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.SIGN: True},
        )


class Pkcs11Key:
    """A private key that stays in its token."""

    def __init__(self, private: SigningKey, public: bytes) -> None:
        self._private = private
        self.public = public

    def sign(self, digest: bytes) -> bytes:
        """CKM_ECDSA over exactly 32 bytes, low-s, with v."""
        try:
            raw = self._private.sign(digest, mechanism=Mechanism.ECDSA)
        except pkcs11.PKCS11Error as fault:
            raise HsmFault(f"the HSM does not sign: {fault!r}") from fault
        return to_rsv(digest, raw, self.public)


def _make_softhsm_token(module: str, token: str, pin_file: Path) -> None:
    """A token with a PIN that only its file knows: the one in argv is changed at once, the SO's is forgotten."""
    first, so_pin, pin = secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(16)
    command = ["softhsm2-util", "--module", module, "--init-token", "--free", "--label", token]
    done = subprocess.run(
        [*command, "--pin", first, "--so-pin", so_pin], capture_output=True, timeout=INIT_S, check=False
    )
    if done.returncode != 0:
        raise HsmFault(f"no token could be made: {done.stderr.decode(errors='replace').strip()}")
    with pkcs11.lib(module).get_token(token_label=token).open(rw=True, user_pin=first) as session:
        session.set_pin(first, pin)
    descriptor = os.open(pin_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(pin)
        file.flush()
        os.fsync(file.fileno())
