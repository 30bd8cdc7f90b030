"""Makes certificates for a test: one authority, and whatever bearers it needs."""

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from homeroom.channel import ClientCredentials
from homeroom.identity import Identity


@dataclass(frozen=True)
class Authority:
    """Signs certificates with the names that an identity has."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("test authority")
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def credentials(self, identity: Identity) -> ClientCredentials:
        """A new key and certificate for a bearer."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.UniformResourceIdentifier(identity.uri), x509.DNSName(identity.dns_name)]
        certificate = (
            _builder(_name(identity.role), self.certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        return ClientCredentials(
            certificate=certificate.public_bytes(pem),
            private_key=key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            authorities=self.certificate.public_bytes(pem),
        )

    def for_address(self, address: str) -> bytes:
        """A new certificate and its key, for a server that is known by its address alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ip_address(address))]
        certificate = (
            _builder(_name("server"), self.certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        written = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        return certificate.public_bytes(pem) + written

    def write(self, identity: Identity, folder: Path) -> dict[str, Path]:
        """A bearer's files, by the names of the settings that say where they are."""
        credentials = self.credentials(identity)
        files = {}
        for name in ("certificate", "private_key", "authorities"):
            files[name] = folder / f"{identity.organization_id}-{identity.role}-{name}.pem"
            files[name].write_bytes(getattr(credentials, name))
        return files


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
    )
