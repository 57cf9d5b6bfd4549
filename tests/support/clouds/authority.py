"""An authority of the test's own, and a certificate for the hosts that stand-ins play."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A CA; `pem` to trust it."""

    pem: bytes
    server: ssl.SSLContext


@cache
def rsa_pem(which: str = "a") -> bytes:
    """A private RSA key, the same for one name; making one takes a while."""
    del which
    key = rsa.generate_private_key(65537, 2048)
    return private_pem(key)


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@cache
def self_signed(name: str) -> tuple[bytes, bytes]:
    """(certificate, private RSA key), both PEM."""
    key = rsa.generate_private_key(65537, 2048)
    certificate = _certificate(name, key.public_key(), name, key, [name])
    return certificate.public_bytes(serialization.Encoding.PEM), private_pem(key)


def packed(name: str, encryption: serialization.KeySerializationEncryption) -> bytes:
    """The same in one file of PKCS#12."""
    certificate, key = self_signed(name)
    return pkcs12.serialize_key_and_certificates(
        b"app",
        serialization.load_pem_private_key(key, None),  # type: ignore[arg-type] # it is RSA
        x509.load_pem_x509_certificate(certificate),
        None,
        encryption,
    )


@cache
def authority(hosts: tuple[str, ...]) -> Authority:
    """An authority whose server is trusted to be all of these hosts."""
    ca, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("test authority", ca.public_key(), "test authority", ca, [])
    leaf = _certificate("stand-in", key.public_key(), "test authority", ca, hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pair"
        file.write_bytes(private_pem(key) + leaf.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(file)
    return Authority(root.public_bytes(serialization.Encoding.PEM), context)


def _certificate(
    name: str,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    issuer: str,
    signer: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
) -> x509.Certificate:
    now = datetime.now(UTC)  # noqa: TID251 - certificates are judged by the machine's clock
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(authority_key, critical=False)
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key)
    builder = builder.add_extension(subject_key, critical=False)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=not hosts,
        crl_sign=not hosts,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return builder.add_extension(usage, critical=True).sign(signer, hashes.SHA256())
