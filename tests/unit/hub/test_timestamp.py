"""RFC 3161 against a real authority (`openssl ts`): what is believed, and everything that is not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node_image.hub.timestamp import TsaAway, check, stamp
from node_image.protocol.errors import NotVerified
from tests.tsa import Tsa, serving

ROOT, OTHER = b"\x11" * 32, b"\x22" * 32


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tsa]:
    """One for all tests."""
    with serving(tmp_path_factory.mktemp("tsa")) as tsa:
        yield tsa


@pytest.fixture
def tsa(authority: Tsa) -> Tsa:
    """Honest again."""
    authority.answer, authority.status = None, 200
    return authority


def test_a_root_is_stamped_and_the_reply_stands_alone(tsa: Tsa, tmp_path: Path) -> None:
    reply = stamp(ROOT, tsa.url, tsa.ca)
    assert abs(check(reply, ROOT, tsa.ca) - datetime.now(UTC)) < timedelta(minutes=1)
    # Not by our library alone: openssl says the same.
    (tmp_path / "root").write_bytes(ROOT)
    (tmp_path / "reply.tsr").write_bytes(reply)
    verify = ["openssl", "ts", "-verify", "-data", "root", "-in", "reply.tsr", "-CAfile", str(tsa.folder / "ca.pem")]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_a_reply_over_another_root_is_refused(tsa: Tsa) -> None:
    reply = stamp(OTHER, tsa.url, tsa.ca)
    with pytest.raises(NotVerified, match="something else"):
        check(reply, ROOT, tsa.ca)


def test_an_old_reply_to_the_same_root_is_refused_by_its_nonce(tsa: Tsa) -> None:
    tsa.answer = stamp(ROOT, tsa.url, tsa.ca)
    with pytest.raises(NotVerified, match="nonce"):
        stamp(ROOT, tsa.url, tsa.ca)


def test_an_authority_under_another_ca_is_refused(tsa: Tsa, tmp_path: Path) -> None:
    stranger = Tsa(tmp_path)
    stranger.make()
    with pytest.raises(NotVerified, match="does not verify"):
        stamp(ROOT, tsa.url, stranger.ca)


def test_a_certificate_for_another_purpose_is_refused(tsa: Tsa) -> None:
    # openssl refuses to stamp with it: so an honest reply is signed anew, as a thief of that key would.
    with pytest.raises(NotVerified, match="purpose"):
        check(_signed_by_the_wrong_certificate(tsa), ROOT, tsa.ca)


@pytest.mark.parametrize("place", [0, 40, 120, -1])
def test_a_changed_byte_is_refused(tsa: Tsa, place: int) -> None:
    reply = bytearray(stamp(ROOT, tsa.url, tsa.ca))
    reply[place] ^= 1
    with pytest.raises(NotVerified):
        check(bytes(reply), ROOT, tsa.ca)


@pytest.mark.parametrize("answer", [b"", b"no DER", b"x" * 70_000])
def test_what_is_no_reply_is_refused(tsa: Tsa, answer: bytes) -> None:
    tsa.answer = answer
    with pytest.raises((NotVerified, TsaAway)):
        stamp(ROOT, tsa.url, tsa.ca)


def test_a_refusal_is_told_with_its_reason(tsa: Tsa) -> None:
    # openssl's answer to a query that it can't read: status 2, "rejection".
    tsa.answer = tsa.reply(b"no query")
    with pytest.raises(NotVerified, match="did not grant"):
        stamp(ROOT, tsa.url, tsa.ca)


def test_an_authority_that_is_away_is_away(tsa: Tsa) -> None:
    tsa.status = 503
    with pytest.raises(TsaAway, match="503"):
        stamp(ROOT, tsa.url, tsa.ca)
    with pytest.raises(TsaAway, match="does not answer"):
        stamp(ROOT, "http://127.0.0.1:9/tsr", tsa.ca)


def test_no_certificate_is_said(tsa: Tsa) -> None:
    with pytest.raises(NotVerified, match="PEM"):
        stamp(ROOT, tsa.url, b"nothing")


def _signed_by_the_wrong_certificate(tsa: Tsa) -> bytes:
    """TSTInfo of an honest reply in a CMS of the other certificate (openssl cms), in a granted reply."""
    honest = stamp(ROOT, tsa.url, tsa.ca)
    (tsa.folder / "honest.tsr").write_bytes(honest)
    run(tsa.folder, "ts", "-reply", "-in", "honest.tsr", "-token_out", "-out", "honest.token")
    run(tsa.folder, "cms", "-verify", "-noverify", "-inform", "DER", "-in", "honest.token", "-out", "tst.der")
    sign = ["cms", "-sign", "-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-md", "sha256"]
    who = ["-signer", "not_for_time.pem", "-inkey", "not_for_time.key", "-outform", "DER"]
    run(tsa.folder, *sign, *who, "-in", "tst.der", "-out", "wrong.token")
    run(tsa.folder, "ts", "-reply", "-in", "wrong.token", "-token_in", "-out", "wrong.tsr")
    return (tsa.folder / "wrong.tsr").read_bytes()


def run(folder: Path, *arguments: str) -> None:
    """One act of openssl."""
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)
