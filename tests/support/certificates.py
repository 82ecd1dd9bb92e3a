"""Certificates for the tests' servers, and the authorities that make them.

authority = Authority(folder)
with Redis(certificate=authority.certificate("redis.internal")) as server: ...
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a server: its certificate for `name`, its key, and the certificate of the authority that made it."""

    name: str
    path: Path
    key_path: Path
    ca_path: Path

    def context(self) -> ssl.SSLContext:
        """What a client needs that trusts the authority."""
        return ssl.create_default_context(cafile=self.ca_path)


class Authority:
    """An authority of its own, whose certificate is the file `path` in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder, self.path = folder, folder / f"{name}.pem"
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), _named(name)
        made = self._builder(self._name, self._key.public_key(), datetime.now(UTC) + 2 * DAY)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        made = made.add_extension(_usage(authority=True), critical=True)
        self.path.write_bytes(made.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    def certificate(self, name: str, *, days: int = 1) -> Certificate:
        """A certificate for a host name; it ends after so many days, before now when they are negative."""
        key, begin = ec.generate_private_key(ec.SECP256R1()), self.folder / uuid4().hex
        made = self._builder(_named(name), key.public_key(), datetime.now(UTC) + days * DAY)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        made = made.add_extension(_usage(authority=False), critical=True)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        found = Certificate(name, begin.with_suffix(".pem"), begin.with_suffix(".key"), self.path)
        found.path.write_bytes(made.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        found.key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return found

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey, end: datetime) -> x509.CertificateBuilder:
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder(issuer_name=self._name, subject_name=name, public_key=key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - 3 * DAY)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(own, critical=False)
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(authority: bool) -> x509.KeyUsage:
    """An authority signs certificates, a server signs what it says."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
