"""The one door: a URI to a keystore. A key that no kind knows is refused by name; its value is never repeated."""

from __future__ import annotations

import threading
from urllib.parse import parse_qsl, urlsplit

from node_image.signer.keystores import awskms, file, pkcs11
from node_image.signer.keystores.base import Key, Keystore, Misfit
from node_image.signer.keystores.metered import MeteredKeystore
from node_image.signer.keystores.quota import Quota

QUOTA_KEYS = frozenset({"quota-per-second", "burst"})
KINDS = {"pkcs11": pkcs11.KIND, "awskms": awskms.KIND, "file": file.KIND}


def open_keystore(uri: str) -> Keystore:
    """The keystore behind `<kind>:?<key>=<value>&..`; Misfit where there can be none, HsmFault where it is out."""
    name, told = _parse(uri)
    kind = KINDS[name]
    own = {key: value for key, value in told.items() if key not in QUOTA_KEYS}
    if missing := kind.needs - own.keys():
        raise Misfit(f"{name}: keystore without {', '.join(sorted(missing))}", f"its form is {kind.form}")
    if unknown := own.keys() - kind.needs - kind.may:
        raise Misfit(f"{name}: keystore takes no {', '.join(sorted(unknown))}", f"its form is {kind.form}")
    quota = _quota(told)
    return MeteredKeystore(name, kind.open(own), quota)


class Shared:
    """One keystore for all keys of a process, opened at first need: its quota is the HSM's, not each key's own."""

    def __init__(self, uri: str) -> None:
        self._uri, self._opening = uri, threading.Lock()
        self._keystore: Keystore | None = None

    def opened(self) -> Keystore:
        """The keystore; where it is out (HsmFault) it may be there at the next try."""
        with self._opening:
            self._keystore = self._keystore or open_keystore(self._uri)
        return self._keystore

    def key(self, label: str) -> Key:
        """One of its keys."""
        return self.opened().key(label)


def refuse_plain_keys(keystore: str, *, allowed: bool) -> None:
    """Misfit for keys in plain files, but in a unit test."""
    if urlsplit(keystore).scheme == "file" and not allowed:
        raise Misfit(
            "file: keys lie open on the disk: no drop is signed with them",
            "use pkcs11:, or in a unit test set EDGEDROP_ALLOW_FILE_KEYS=1",
        )


def _parse(uri: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(uri)
    if parts.scheme not in KINDS:
        raise Misfit("the keystore's URI names no kind that there is", f"begin it with one of {': '.join(KINDS)}:")
    pairs = parse_qsl(parts.query)
    if len({key for key, _ in pairs}) < len(pairs):
        raise Misfit(f"{parts.scheme}: keystore says one thing twice", f"its form is {KINDS[parts.scheme].form}")
    return parts.scheme, dict(pairs)


def _quota(told: dict[str, str]) -> Quota | None:
    if not told.keys() & QUOTA_KEYS:
        return None
    try:
        return Quota.of(float(told["quota-per-second"]), int(told["burst"]) if "burst" in told else None)
    except (KeyError, ValueError) as fault:
        raise Misfit(
            "the keystore's quota cannot be read", "write quota-per-second=14&burst=28: both above 0, burst whole"
        ) from fault
