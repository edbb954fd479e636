"""The signer as it is, but for what a bench says: `signer_variant <batch> <hsm_ms>`; 0 keeps the signer's own."""

from __future__ import annotations

import sys
import time

from node_image.signer import core
from node_image.signer.keystores import pkcs11


def main() -> None:
    """Set it, then be the signer."""
    batch, milliseconds = int(sys.argv.pop(1)), float(sys.argv.pop(1))
    if batch:
        core.MAX_BATCH = batch
    if milliseconds:
        slow(milliseconds / 1000)
    import node_image.signer.__main__  # noqa: F401, PLC0415  serves until it is killed


def slow(seconds: float) -> None:
    """An HSM that takes its time for each signature, as a hardware one does."""
    sign = pkcs11.Pkcs11Key.sign

    def wait_and_sign(self: pkcs11.Pkcs11Key, digest: bytes) -> bytes:
        time.sleep(seconds)
        return sign(self, digest)

    pkcs11.Pkcs11Key.sign = wait_and_sign  # type: ignore[method-assign]


main()
