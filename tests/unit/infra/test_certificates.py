"""The lab's authority: made once, and each certificate for one purpose only."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra import certificates
from node_image.peers import client_context, server_context


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State of the test's own."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_nodes_certificate_names_it_and_is_no_servers() -> None:
    found = x509.load_pem_x509_certificate(certificates.node_pem("lights", "quay-appliance1"))
    named = {part.oid: part.value for part in found.subject}
    assert named == {NameOID.COMMON_NAME: "quay-appliance1", NameOID.ORGANIZATION_NAME: "lights"}
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(certificates.authority_pem()))


def test_they_are_made_once_and_their_files_are_private(home: Path) -> None:
    for make in (certificates.authority_pem, certificates.control_pem, lambda: certificates.hub_pem("10.16.0.9")):
        assert make() == make()
    kept = list((home / "home" / "keys").iterdir())
    assert len(kept) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_a_sites_witness_is_a_server_at_its_address_and_no_node() -> None:
    found = x509.load_pem_x509_certificate(certificates.witness_pem("lights", "quay-front", "10.20.1.3"))
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.20.1.3"]
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_what_is_given_out_of_the_authority_holds_no_key() -> None:
    assert b"PRIVATE" not in certificates.authority_pem()


def test_both_sides_shake_hands_under_strict_rules(home: Path) -> None:
    """In memory: X.509 strict mode is Python's default, and refuses what older tools let pass."""
    pems = {
        "hub": certificates.hub_pem("10.16.0.9"),
        "node": certificates.node_pem("lights", "quay-appliance1"),
        "authority": certificates.authority_pem(),
    }
    for name, pem in pems.items():
        (home / name).write_bytes(pem)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(home / "node", home / "authority").wrap_bio(back, there, server_hostname="10.16.0.9")
    server = server_context(home / "hub", home / "authority").wrap_bio(there, back, server_side=True)
    assert client.context.verify_flags & ssl.VerifyFlags.VERIFY_X509_STRICT
    done: set[ssl.SSLObject] = set()
    for side in (client, server) * 3:
        try:
            side.do_handshake()
            done.add(side)
        except ssl.SSLWantReadError:
            continue
    assert done == {client, server}
    assert client.version() == "TLSv1.3"
