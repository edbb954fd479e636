"""`file:`: keys in plain files, for unit tests. Who can read the file has the key, so a service refuses it."""

from __future__ import annotations

import os
from pathlib import Path

from coincurve import PrivateKey

from node_image.protocol.signature import to_rsv
from node_image.signer.keystores.base import HsmFault, Kind


class FileKeystore:
    """One file a key, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self, label: str) -> FileKey:
        """Read the label's key or make it; of two that make it at once, one's is kept."""
        path = self._folder / label.replace("/", ".")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                return FileKey(PrivateKey.from_hex(path.read_text()))
            with os.fdopen(descriptor, "w") as file:
                made = PrivateKey()
                file.write(made.to_hex())
        except (OSError, ValueError) as fault:
            raise HsmFault(f"the key file of {label} cannot be used: {type(fault).__name__}") from fault
        return FileKey(made)

    def destroy(self, label: str) -> None:
        """Its file goes."""
        (self._folder / label.replace("/", ".")).unlink(missing_ok=True)


class FileKey:
    """A private key in this process's memory."""

    def __init__(self, private: PrivateKey) -> None:
        self._private = private
        self.public = private.public_key.format(compressed=False)

    def sign(self, digest: bytes) -> bytes:
        """Over exactly 32 bytes, low-s, with v."""
        return to_rsv(digest, self._private.sign_recoverable(digest, hasher=None)[:64], self.public)


KIND = Kind("file:?folder=<path>", frozenset({"folder"}), frozenset(), lambda told: FileKeystore(Path(told["folder"])))
