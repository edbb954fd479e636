"""A real SoftHSM2 token: used by many threads, lost and found again, and never a second key under one label."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, ObjectClass

from node_image.protocol.errors import NotVerified
from node_image.protocol.signature import address_of, recover
from node_image.signer.keystores import HsmFault
from node_image.signer.keystores.module import module_of
from node_image.signer.keystores.pkcs11 import PAUSE_S, Pkcs11Key, Pkcs11Keystore, _generate
from tests.drop_on_disk import SOFTHSM, softhsm_missing

pytestmark = pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())
LABEL = "lights/quay-appliance1/1"
DIGEST = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where SoftHSM keeps its tokens."""
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    return tmp_path


def opened(folder: Path, sessions: int = 4) -> Pkcs11Keystore:
    """The token of this folder."""
    return Pkcs11Keystore(str(SOFTHSM), "test", folder / "pin", sessions)


def assert_signs(key: Pkcs11Key) -> None:
    """As the contract reads it."""
    assert recover(DIGEST, key.sign(DIGEST)) == address_of(key.public)


def tokens(label: str) -> int:
    """How many of this name the module shows."""
    return len(list(module_of(str(SOFTHSM)).lib.get_tokens(token_label=label)))


def test_many_threads_sign_at_once(folder: Path) -> None:
    """Without CKF_OS_LOCKING_OK this takes the process down."""
    key = opened(folder).key(LABEL)
    digests = [number.to_bytes(32) for number in range(1, 3001)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(key.sign, digests))
    assert {recover(digest, one) for digest, one in zip(digests, made, strict=True)} == {address_of(key.public)}


def test_the_key_is_the_tokens_and_stays_there(folder: Path) -> None:
    store = opened(folder)
    assert store.key(LABEL).public == store.key(LABEL).public == opened(folder).key(LABEL).public
    with store._seat() as seat:
        private = seat.session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC, LABEL)
        assert (private[Attribute.SENSITIVE], private[Attribute.EXTRACTABLE]) == (True, False)
    assert (folder / "pin").stat().st_mode & 0o777 == 0o600


def test_a_key_that_many_want_at_once_is_made_once(folder: Path) -> None:
    """A node's epochs ask for its enrolment key in the same moment."""
    store, together = opened(folder), threading.Barrier(4)

    def made(_: int) -> bytes:
        together.wait()
        return store.key("enrol/quay-appliance1").public

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(made, range(4)))) == 1
    assert opened(folder).key("enrol/quay-appliance1").public == store.key("enrol/quay-appliance1").public


def test_a_token_that_goes_and_comes_back_signs_again_with_its_own_key(folder: Path) -> None:
    key = opened(folder).key(LABEL)
    (folder / "tokens").rename(folder / "away")
    with pytest.raises(HsmFault, match="token test does not answer"):
        key.sign(DIGEST)
    with pytest.raises(HsmFault, match="did not come back a moment ago"):
        key.sign(DIGEST)  # the module is not started for every claim
    (folder / "away").rename(folder / "tokens")
    time.sleep(PAUSE_S)  # the pause is what is tested
    assert_signs(key)


def test_a_token_that_lost_its_files_is_no_reason_for_a_new_one(folder: Path) -> None:
    key = opened(folder).key(LABEL)
    (token,) = (folder / "tokens").iterdir()
    token.rename(folder / "token")
    with pytest.raises(HsmFault, match="NoSuchToken"):
        key.sign(DIGEST)
    assert not list((folder / "tokens").iterdir())
    with pytest.raises(HsmFault, match="NoSuchToken"):
        opened(folder)  # nor at the next start: its PIN is there, so a token was
    (folder / "token").rename(token)
    time.sleep(PAUSE_S)  # as above
    assert_signs(key)


def test_sessions_closed_behind_its_back_are_opened_anew(folder: Path) -> None:
    store = opened(folder)
    key = store.key(LABEL)
    assert_signs(key)
    for slot in module_of(str(SOFTHSM)).lib.get_slots():
        ctypes.CDLL(str(SOFTHSM)).C_CloseAllSessions(ctypes.c_ulong(slot.slot_id))
    assert_signs(key)


def test_logged_out_behind_its_back_it_logs_in_again(folder: Path) -> None:
    store = opened(folder)
    key = store.key(LABEL)
    assert_signs(key)
    assert store._login
    store._login.close()  # logs the whole process out (PKCS #11 3.0, 5.6.9)
    assert_signs(key)


def test_a_module_finalised_behind_its_back_is_started_anew(folder: Path) -> None:
    key = opened(folder).key(LABEL)
    assert ctypes.CDLL(str(SOFTHSM)).C_Finalize(None) == 0
    assert_signs(key)


def test_lost_under_load_it_comes_back_for_every_thread(folder: Path) -> None:
    key = opened(folder, sessions=2).key(LABEL)
    faults: list[HsmFault] = []
    back = threading.Event()

    def sign_until_back(_: int) -> bytes:
        while True:
            try:
                made = key.sign(DIGEST)
            except HsmFault as fault:
                faults.append(fault)
                time.sleep(0.05)  # as one who asks again
            else:
                if back.is_set():
                    return recover(DIGEST, made)

    with ThreadPoolExecutor(4) as pool:
        signing = pool.map(sign_until_back, range(4))
        (folder / "tokens").rename(folder / "away")
        while not faults:
            time.sleep(0.01)  # until it is noticed
        (folder / "away").rename(folder / "tokens")
        back.set()
        assert set(signing) == {address_of(key.public)}


def test_another_key_under_the_same_label_is_not_signed_with(folder: Path) -> None:
    store = opened(folder)
    key = store.key(LABEL)
    with store._seat() as seat:
        for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
            seat.session.get_key(kind, KeyType.EC, LABEL).destroy()
        _generate(seat.session, LABEL)
    with pytest.raises(NotVerified, match="does not recover its own key"):
        key.sign(DIGEST)


def test_a_refused_pin_is_tried_once(folder: Path) -> None:
    """A hardware token locks for ever after a few."""
    key = opened(folder).key(LABEL)
    right = (folder / "pin").read_text()
    (folder / "pin").write_text("wrong-one")
    ctypes.CDLL(str(SOFTHSM)).C_Finalize(None)
    with pytest.raises(HsmFault, match="refuses the PIN"):
        key.sign(DIGEST)
    time.sleep(PAUSE_S)  # past the pause, so that it is the PIN that holds it back
    with pytest.raises(HsmFault, match="it is not tried again"):
        key.sign(DIGEST)
    (folder / "pin").write_text(right)
    time.sleep(PAUSE_S)  # as above
    assert_signs(key)


def test_a_token_whose_making_was_killed_is_thrown_away(folder: Path) -> None:
    command = ["softhsm2-util", "--module", str(SOFTHSM), "--init-token", "--free", "--label", "test"]
    subprocess.run([*command, "--pin", "1234", "--so-pin", "1234"], check=True, capture_output=True)
    (folder / "pin.making").touch()
    assert_signs(opened(folder).key(LABEL))
    assert tokens("test") == 1
    assert not (folder / "pin.making").exists()


def test_of_another_module_no_token_is_made(folder: Path) -> None:
    other = folder / "libother.so"
    shutil.copy(SOFTHSM, other)
    with pytest.raises(HsmFault, match="the PIN of token test is not there"):
        Pkcs11Keystore(str(other), "test", folder / "pin")


def test_a_module_that_is_not_there_is_a_fault(folder: Path) -> None:
    with pytest.raises(HsmFault, match="cannot be loaded"):
        Pkcs11Keystore("/nowhere/libsofthsm2.so", "test", folder / "pin")
    assert pkcs11.lib(str(SOFTHSM))
