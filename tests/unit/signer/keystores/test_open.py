"""The one door to keystores: what a URI must say, and that it never repeats what it must not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from node_image.protocol import eip712
from node_image.protocol.signature import address_of, recover
from node_image.signer.keystores import HsmFault, Misfit, QuotaSpent, open_keystore
from node_image.signer.keystores.base import RawKey
from node_image.signer.keystores.file import FileKeystore
from node_image.signer.keystores.metered import WARM_UP, MeteredKey, MeteredKeystore
from node_image.signer.keystores.quota import SECOND, Quota
from tests.drop_on_disk import make_drop

DIGEST = bytes(range(32))


@pytest.mark.parametrize(
    ("uri", "wrong"),
    [
        ("", "no kind"),
        ("vault:?a=b", "no kind"),
        ("file:", "without folder"),
        ("pkcs11:?module=/m", "without pin-file, token"),
        ("pkcs11:?module=/m&token=t&pin-file=/p&sessions=0", "sessions is a whole number"),
        ("pkcs11:?module=/m&token=t&pin-file=/p&sessions=many", "sessions is a whole number"),
        ("file:?folder=/f&pin=1234", "takes no pin"),
        ("file:?folder=/f&folder=/g", "says one thing twice"),
        ("file:?folder=/f&quota-per-second=0", "quota cannot be read"),
        ("file:?folder=/f&quota-per-second=nan", "quota cannot be read"),
        ("file:?folder=/f&quota-per-second=inf", "quota cannot be read"),
        ("file:?folder=/f&quota-per-second=5&burst=0", "quota cannot be read"),
        ("file:?folder=/f&quota-per-second=5&burst=1.5", "quota cannot be read"),
        ("file:?folder=/f&burst=5", "quota cannot be read"),
        ("awskms:", "without region"),
        ("awskms:?region=eu-central-1&secret_access_key=hunter2", "takes no secret_access_key"),
        ("awskms:?region=eu-central-1&endpoint=http://me:hunter2@127.0.0.1", "without a password"),
        ("awskms:?region=eu-central-1&endpoint=ftp://127.0.0.1", "http or https"),
        ("awskms:?region=eu-central-1&timeout=nan", "timeout in seconds"),
        ("awskms:?region=eu-central-1&tries=99", "1 to 5 tries"),
    ],
)
def test_a_uri_that_cannot_be_is_told_what_is_wrong_and_what_is_right(uri: str, wrong: str) -> None:
    with pytest.raises(Misfit, match=wrong) as misfit:
        open_keystore(uri)
    assert misfit.value.hint
    assert "hunter2" not in str(misfit.value) + misfit.value.hint


def test_an_image_without_boto3_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(Misfit, match="needs boto3, which this image does not carry"):
        open_keystore("awskms:?region=eu-central-1")


def test_the_signer_refuses_plain_keys_with_error_and_hint(tmp_path: Path) -> None:
    drop = make_drop(tmp_path / "d")
    environment = drop.environment() | {"EDGEDROP_KEYSTORE": f"file:?folder={tmp_path}/keys"}
    command = [sys.executable, "-m", "node_image.signer"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=20)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert lines[0].startswith("error: file: keys lie open")
    assert lines[1].startswith("hint: ")
    assert not (tmp_path / "keys").exists()


def test_file_keys_sign_and_stay_the_same(tmp_path: Path) -> None:
    uri = f"file:?folder={tmp_path}/keys"
    first, again = open_keystore(uri).key("a/b/1"), open_keystore(uri).key("a/b/1")
    assert first.public == again.public != open_keystore(uri).key("a/b/2").public
    assert recover(DIGEST, again.sign(DIGEST)) == address_of(first.public)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()] == [0o600, 0o600]


def test_a_broken_key_file_is_a_fault_and_not_a_new_key(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("no key")
    with pytest.raises(HsmFault, match="cannot be used"):
        FileKeystore(tmp_path).key("a")


def test_a_spent_quota_is_a_result_with_the_time_to_come_back(tmp_path: Path) -> None:
    now = [0]
    store = MeteredKeystore("file", FileKeystore(tmp_path), Quota.of(4, 2), lambda: now[0])
    first, second = store.key("a"), store.key("b")
    first.sign(DIGEST)
    second.sign(DIGEST)  # the quota is the HSM's, not the key's
    assert first.report().quota_left == 0
    for refused in (first.check, second.check, lambda: first.sign(DIGEST)):
        with pytest.raises(QuotaSpent) as spent:
            refused()
        assert spent.value.retry_after_s == 0.25
    now[0] = SECOND // 4
    first.check()
    first.sign(DIGEST)
    assert not first.report().down, "a spent quota is no fault of the HSM"


class Broken:
    """A key whose HSM is out."""

    public = b"\x04" + bytes(64)

    def sign(self, digest: bytes) -> bytes:
        raise HsmFault(f"out, for {len(digest)} bytes")


def test_health_says_what_was_last(tmp_path: Path) -> None:
    key = open_keystore(f"file:?folder={tmp_path}").key("a")
    assert (key.report().last_good_at, key.report().quota_left) == (None, None)
    key.sign(DIGEST)
    told = key.report()
    assert told.last_good_at
    assert told.latency_ms
    broken: RawKey = Broken()
    store = MeteredKeystore("file", FileKeystore(tmp_path), None)
    out = MeteredKey("file", broken, store.key("a")._meter)
    with pytest.raises(HsmFault):
        out.sign(DIGEST)
    assert out.report().down == "out, for 32 bytes"


def test_the_warm_up_is_signed_over_what_no_contract_takes() -> None:
    """A Batch's digest is the hash of 66 bytes that begin with 0x1901; the warm-up's text is neither."""
    domain = eip712.Domain(31337, b"\x44" * 20)
    batch = eip712.Batch(bytes(32), 0, bytes(32), 1, 0)
    assert eip712.digest(domain.separator, batch.struct_hash()) == eip712.keccak(
        b"\x19\x01" + domain.separator + batch.struct_hash()
    )
    text = b"Edgedrop signs nothing here: warming up"
    assert eip712.keccak(text) == WARM_UP
    assert len(text) != 66
    assert text[0] not in {0x19, *range(5), *range(0xC0, 0x100)}
