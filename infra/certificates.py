"""The lab's small authority: certificates for the cloud signer, the sites' witnesses, and each node that may ask them.

TLS 1.3, P-256.

Kept under EDGEDROP_HOME/keys like every secret. They end with the authority: what a node may do is ended by its grant
(freeze, close-out), which holds on chain whatever a certificate says.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.home import place
from infra.keys import kept

LIFE = timedelta(days=3650)
SKEW = timedelta(hours=1)  # a node's clock may be behind
CONTROL = ("edgedrop", "control")


def authority_pem() -> bytes:
    """The authority's certificate, which hub and nodes trust for this alone."""
    return _certificate_of(_authority())


def hub_pem(address: str) -> bytes:
    """The cloud signer's key and certificate, for its address in the lab's network."""
    return kept(f"cloud-signer.{address}.pem", lambda: _issue("hub", "cloud-signer", _SERVER, _at(address)))


def node_pem(drop: str, node: str) -> bytes:
    """A node's key and certificate: CN is the node, O the drop."""
    return kept(_node_name(drop, node), lambda: _issue(drop, node, _CLIENT))


def witness_pem(drop: str, place: str, address: str) -> bytes:
    """The key and certificate of a witness at a site, for its address there; a server's, as the cloud signer's is."""
    return kept(f"witness-tls.{drop}.{place}.{address}.pem", lambda: _issue(drop, place, _SERVER, _at(address)))


def node_file(drop: str, node: str) -> Path:
    """The file that holds a node's, for what acts in its place."""
    node_pem(drop, node)
    return place("keys", _node_name(drop, node))


def control_pem() -> bytes:
    """The control side's own, to tell the cloud signer of grants."""
    return node_pem(*CONTROL)


_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def _at(address: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])


def _node_name(drop: str, node: str) -> str:
    return f"node.{drop}.{node}.pem"


def _authority() -> bytes:
    return kept("authority.pem", _new_authority)


def _new_authority() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("edgedrop", "authority")
    made = (
        _begun(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem(key, made)


def _issue(
    organisation: str, common_name: str, purpose: x509.ObjectIdentifier, *more: x509.SubjectAlternativeName
) -> bytes:
    """A leaf for one purpose: a node's certificate is no server's, so that no node can stand in for the hub."""
    authority = _authority()
    above = x509.load_pem_x509_certificate(authority)
    signer = serialization.load_pem_private_key(authority, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not of an elliptic curve")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _begun(_name(organisation, common_name), above.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    return _pem(key, builder.sign(signer, hashes.SHA256()))


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(organisation: str, common_name: str) -> x509.Name:
    named = {NameOID.ORGANIZATION_NAME: organisation, NameOID.COMMON_NAME: common_name}
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in named.items()])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    """Both in one file: neither is ever there without the other."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _certificate_of(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.PEM)
