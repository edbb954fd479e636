"""`pkcs11:`: SoftHSM2 in the box, or any module by path. Its private keys are sensitive and never leave the token."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from node_image.protocol.signature import to_rsv
from node_image.signer.keystores.base import HsmFault, Kind, Misfit
from node_image.signer.keystores.module import Module, module_of
from node_image.signer.keystores.softhsm import make_token

FORM = "pkcs11:?module=<path>&token=<label>&pin-file=<path>[&sessions=<n>]"
UNCOMPRESSED_POINT = 65
SESSIONS, MOST_SESSIONS = 4, 64
SEAT_S = 5.0
PAUSE_S = 0.5  # after a start that did not help: keys of another token are not disturbed all the time
WRONG_PIN = (pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.PinExpired, pkcs11.PinInvalid, pkcs11.PinLenRange)


class SigningKey(Protocol):
    """python-pkcs11's private key of a mechanism that signs; its stubs leave `sign` out."""

    def sign(self, data: bytes, *, mechanism: Mechanism) -> bytes:
        """C_Sign."""


@dataclass(slots=True, eq=False)
class Seat:
    """One session with the keys that were found through it."""

    session: pkcs11.Session
    keys: dict[str, SigningKey] = field(default_factory=dict)


class Pkcs11Keystore:
    """A token, logged in once for the process's life, and again after it was lost; a pool of sessions."""

    def __init__(self, path: str, token: str, pin_file: Path, sessions: int = SESSIONS) -> None:
        self._token, self._pin_file, self._sessions = token, pin_file, sessions
        self._module: Module = module_of(path)
        if not pin_file.exists():
            if "softhsm" not in Path(path).name:
                raise HsmFault(f"the PIN of token {token} is not there: {pin_file}")
            make_token(self._module, path, token, pin_file)
        self._seats: queue.LifoQueue[Seat] = queue.LifoQueue()
        self._opening, self._making = threading.Lock(), threading.Lock()
        self._login: pkcs11.Session | None = None
        self._opened = 0  # the module's start that the seats belong to; 0: none
        self._not_before = 0.0
        self._refused_pin = ""
        self._persist(lambda _: None)

    def key(self, label: str) -> Pkcs11Key:
        """Find the key pair by its label or make it: secp256k1, sensitive, not extractable.

        One at a time: two that miss it at once would make two under one label, and none is found ever after.
        """
        with self._making:
            return Pkcs11Key(self, label, self._persist(lambda seat: _public_point(seat.session, label)))

    def destroy(self, label: str) -> None:
        """Both halves leave the token, the private one first."""
        with self._making:
            self._persist(lambda seat: _destroy(seat, label))

    def sign(self, label: str, digest: bytes) -> bytes:
        """CKM_ECDSA over exactly 32 bytes: r and s."""
        return self._persist(lambda seat: _private_key(seat, label).sign(digest, mechanism=Mechanism.ECDSA))

    def _persist[T](self, work: Callable[[Seat], T]) -> T:
        """Do it on a free session; where that fails, start the module anew, log in and do it once more.

        Any error is taken so: what a module answers when its token is pulled differs from module to module, and to
        sign the same digest twice is no harm.
        """
        if time.monotonic() < self._not_before:
            raise HsmFault(f"token {self._token} did not come back a moment ago")
        generation = self._module.generation
        try:
            with self._seat() as seat:
                return work(seat)
        except pkcs11.PKCS11Error as fault:
            first = repr(fault)  # the fault itself would hold on to a search of the dead session
        try:
            self._module.restart(generation)
            with self._seat() as seat:
                return work(seat)
        except (pkcs11.PKCS11Error, HsmFault) as fault:
            self._not_before = time.monotonic() + PAUSE_S
            raise HsmFault(f"token {self._token} does not answer: {fault!r}, at first {first}") from fault

    @contextmanager
    def _seat(self) -> Iterator[Seat]:
        """A session for one operation; one that an error came out of is never used again."""
        with self._module.call() as generation:
            with self._opening:
                if self._opened != generation:
                    self._open(generation)
            try:
                seat = self._seats.get(timeout=SEAT_S)
            except queue.Empty:
                raise HsmFault(f"all {self._sessions} sessions of token {self._token} are busy") from None
            try:
                yield seat
            except pkcs11.PKCS11Error:
                self._opened = 0
                raise
            self._seats.put(seat)

    def _open(self, generation: int) -> None:
        """Log in by a session that is kept for that alone (its end would log all others out), then the pool."""
        while not self._seats.empty():
            self._seats.get_nowait()
        token = self._module.lib.get_token(token_label=self._token)
        self._login = self._logged_in(token)
        for _ in range(self._sessions):
            self._seats.put(Seat(token.open(rw=True)))
        self._opened = generation

    def _logged_in(self, token: pkcs11.Token) -> pkcs11.Session | None:
        """A wrong PIN is tried once and not again until its file changes: a few tries more lock a token for ever."""
        pin = self._pin_file.read_text().strip()
        if pin == self._refused_pin:
            raise HsmFault(f"token {self._token} refused the PIN in {self._pin_file}; it is not tried again")
        try:
            return token.open(rw=True, user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:
            return self._login  # login is the process's, not the session's
        except WRONG_PIN as fault:
            self._refused_pin = pin
            raise HsmFault(f"token {self._token} refuses the PIN in {self._pin_file}: {fault!r}") from fault


class Pkcs11Key:
    """A private key that stays in its token."""

    def __init__(self, store: Pkcs11Keystore, label: str, public: bytes) -> None:
        self._store, self._label = store, label
        self.public = public

    def sign(self, digest: bytes) -> bytes:
        """Low-s, with v; NotVerified where the token holds another key under this label by now."""
        return to_rsv(digest, self._store.sign(self._label, digest), self.public)


def _public_point(session: pkcs11.Session, label: str) -> bytes:
    """CKA_EC_POINT is the point in a DER octet string (PKCS #11 3.0, 2.3.3): the point is its last 65 bytes."""
    try:
        session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC, label)
        public = session.get_key(ObjectClass.PUBLIC_KEY, KeyType.EC, label)
    except pkcs11.NoSuchKey:
        public = _generate(session, label)
    return bytes(public[Attribute.EC_POINT])[-UNCOMPRESSED_POINT:]


def _private_key(seat: Seat, label: str) -> SigningKey:
    if label not in seat.keys:
        seat.keys[label] = cast("SigningKey", seat.session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC, label))
    return seat.keys[label]


def _destroy(seat: Seat, label: str) -> None:
    seat.keys.pop(label, None)
    for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        for found in list(seat.session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label})):
            found.destroy()


def _generate(session: pkcs11.Session, label: str) -> pkcs11.PublicKey:
    curve = session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256k1")}, local=True
    )
    public, _ = curve.generate_keypair(
        store=True,
        label=label,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.SIGN: True},
    )
    return public


def _of_uri(told: dict[str, str]) -> Pkcs11Keystore:
    try:
        sessions = int(told.get("sessions", SESSIONS))
    except ValueError:
        sessions = 0
    if not 0 < sessions <= MOST_SESSIONS:
        raise Misfit(f"sessions is a whole number from 1 to {MOST_SESSIONS}", f"its form is {FORM}")
    return Pkcs11Keystore(told["module"], told["token"], Path(told["pin-file"]), sessions)


KIND = Kind(FORM, frozenset({"module", "token", "pin-file"}), frozenset({"sessions"}), _of_uri)
