"""A SoftHSM2 token for a box that has no other HSM, with a PIN that only its file knows."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

import pkcs11

from node_image import durable
from node_image.signer.keystores.base import HsmFault
from node_image.signer.keystores.module import Module

INIT_S = 20


def make_token(module: Module, path: str, token: str, pin_file: Path) -> None:
    """The token, then its PIN's file. The PIN in argv is changed at once, the security officer's is forgotten.

    A process that is killed in between leaves the mark `<pin file>.making`: the token was never used, and the next
    one throws it away, where two of one name would leave nobody a key.
    """
    mark = pin_file.with_name(pin_file.name + ".making")
    if mark.exists():
        _util(path, "--delete-token", "--token", token, may_fail=True)
    mark.touch(0o600)
    first, pin = secrets.token_hex(16), secrets.token_hex(16)
    _util(path, "--init-token", "--free", "--label", token, "--pin", first, "--so-pin", secrets.token_hex(16))
    with module.call() as generation:
        pass
    module.restart(generation)  # another process made it: this one's list of slots is older
    with module.call():
        try:
            with module.lib.get_token(token_label=token).open(rw=True, user_pin=first) as session:
                session.set_pin(first, pin)
        except pkcs11.PKCS11Error as fault:
            raise HsmFault(f"the new token {token} cannot be opened: {fault!r}") from fault
    durable.write(pin_file, pin.encode())  # a PIN lost is a key lost
    mark.unlink()


def _util(path: str, *words: str, may_fail: bool = False) -> None:
    command = ["softhsm2-util", "--module", path, *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=INIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise HsmFault(f"softhsm2-util does not run: {type(fault).__name__}") from None  # its words hold the PIN
    if done.returncode != 0 and not may_fail:
        raise HsmFault(f"no token could be made: {done.stderr.decode(errors='replace').strip()}")
