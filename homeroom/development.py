"""The development authority: certificates and keys for a federation on one laptop; never for more.

Whoever holds this folder can be anyone in the federation. In production each organization makes its
own keys, which never leave it, and the federation's real authority signs its certificates.

    <folder>/authority/      authority.pem, authority_key.pem
    <folder>/<organization>/ authorities.pem; <role>.pem and <role>_key.pem for each role;
                             signing_key.pem, sealing_key.pem, checkpoint_key.pem;
                             recovery_key.pem (elsewhere it is kept offline); profile.toml;
                             gateway_checkpoint_key.pem where it runs the gateway;
                             issuer_key.json, and issuer_public.json for the registry
"""

import datetime as dt
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc.jwk import OKPKey

from homeroom.errors import AlreadyRecordedError, RequestInvalidError
from homeroom.identity import Identity, Role, require_organization_id
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from homeroom.users import DevelopmentIssuer

CERTIFICATE_DAYS = 30
_AUTHORITY_DAYS = 365
# A certificate is good a little before it is made: clocks on one network differ.
_EARLIER = dt.timedelta(minutes=5)

GATEWAY_LOG_KEY = "gateway_checkpoint_key.pem"
"""What signs checkpoints of the gateway's log, in the folder of whoever runs the gateway."""

HUB_ROLES = (Role.REGISTRY, Role.CONSENT, Role.GATEWAY, Role.OPERATOR, Role.STEWARD, Role.APP)
ORGANIZATION_ROLES = (Role.NODE, Role.APP, Role.STEWARD)


@dataclass(frozen=True, slots=True)
class Hub:
    """Who runs the services that all organizations share, and where they answer."""

    organization_id: str
    registry_address: str
    consent_address: str
    gateway_address: str
    registry_key: bytes
    consent_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class DevelopmentAuthority:
    """A certificate authority in a folder."""

    federation: str
    folder: Path
    _certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(
        cls, folder: Path, federation: str, now: dt.datetime, *, force: bool = False
    ) -> "DevelopmentAuthority":
        """Makes a new authority.

        Raises:
            AlreadyRecordedError: if the folder has one, and `force` is not given.
        """
        Identity(federation, "authority", Role.OPERATOR)  # refuses a malformed name
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _authority_certificate(federation, key, now)
        write_secret(folder / "authority/authority_key.pem", _key_pem(key), force=force)
        write_public(folder / "authority/authority.pem", _pem(certificate), force=force)
        return cls(federation, folder, certificate, key)

    @classmethod
    def open(cls, folder: Path) -> "DevelopmentAuthority":
        """Opens the authority of a folder.

        Raises:
            RequestInvalidError: if it has none.
        """
        try:
            certificate = x509.load_pem_x509_certificate(
                (folder / "authority/authority.pem").read_bytes()
            )
            key = serialization.load_pem_private_key(
                (folder / "authority/authority_key.pem").read_bytes(), password=None
            )
        except (OSError, ValueError):
            raise RequestInvalidError(f"there is no development authority in {folder}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise RequestInvalidError(f"there is no development authority in {folder}")
        name = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
        return cls(str(name), folder, certificate, key)

    def authorities(self) -> bytes:
        """What everyone in the federation trusts; PEM."""
        return _pem(self._certificate)

    def issue(self, identity: Identity, now: dt.datetime) -> tuple[bytes, bytes]:
        """A certificate for one bearer, good for servers and clients, and its key; PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(identity.uri),
            x509.DNSName(identity.dns_name),
        ]
        certificate = (
            _builder(key.public_key(), now, CERTIFICATE_DAYS)
            .subject_name(_name(identity.federation, str(identity.role)))
            .issuer_name(self._certificate.subject)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_LEAF_USAGE, critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return _pem(certificate), _key_pem(key)

    def make_organization(
        self,
        organization_id: str,
        roles: Collection[Role],
        now: dt.datetime,
        *,
        force: bool = False,
    ) -> Path:
        """Writes an organization's folder: certificates for its roles, and its own keys.

        Raises:
            AlreadyRecordedError: if a file is there already, and `force` is not given.
        """
        folder = self.folder / require_organization_id(organization_id)
        write_public(folder / "authorities.pem", self.authorities(), force=force)
        for role in roles:
            identity = Identity(self.federation, organization_id, role)
            certificate, key = self.issue(identity, now)
            write_public(folder / f"{role}.pem", certificate, force=force)
            write_secret(folder / f"{role}_key.pem", key, force=force)
        write_secret(folder / "signing_key.pem", SigningKey.generate().to_pem(), force=force)
        write_secret(folder / "sealing_key.pem", SealingKey.generate().to_pem(), force=force)
        write_secret(folder / "checkpoint_key.pem", SigningKey.generate().to_pem(), force=force)
        if Role.GATEWAY in roles:
            write_secret(folder / GATEWAY_LOG_KEY, SigningKey.generate().to_pem(), force=force)
        write_secret(folder / "recovery_key.pem", SigningKey.generate().to_pem(), force=force)
        issuer_key = OKPKey.generate_key("Ed25519", {"kid": f"{organization_id}-development"})
        content = json.dumps(issuer_key.as_dict(private=True), indent=1).encode()
        write_secret(folder / "issuer_key.json", content, force=force)
        issuer = development_issuer(folder, self.federation).public()
        write_public(folder / "issuer_public.json", issuer.keys.encode(), force=force)
        return folder


def development_issuer(folder: Path, federation: str) -> DevelopmentIssuer:
    """The issuer of tokens for the people of the organization whose folder it is.

    Raises:
        RequestInvalidError: if the folder has no issuer's key.
    """
    try:
        key = OKPKey.import_key(json.loads((folder / "issuer_key.json").read_text("utf-8")))
    except (OSError, ValueError):
        raise RequestInvalidError(f"there is no issuer's key in {folder}") from None
    return DevelopmentIssuer(f"https://{folder.name.replace('_', '-')}.{federation}", key)


def write_profile(
    folder: Path,
    federation: str,
    hub: Hub,
    *,
    node_address: str = "",
    force: bool = False,
) -> Path:
    """Writes the profile of the organization whose folder it is.

    Raises:
        AlreadyRecordedError: if there is one already, and `force` is not given.
    """
    path = folder / "profile.toml"
    services = {
        "registry": (hub.registry_address, hub.organization_id),
        "consent": (hub.consent_address, hub.organization_id),
        "gateway": (hub.gateway_address, hub.organization_id),
    }
    if node_address:
        services["node"] = (node_address, folder.name)
    lines = [
        "# Written by `homeroom dev-ca`; for development only.",
        f'federation = "{federation}"',
        f'organization_id = "{folder.name}"',
        'authorities = "authorities.pem"',
        f'registry_key = "{hub.registry_key.hex()}"',
        *([f'consent_key = "{hub.consent_key.hex()}"'] if hub.consent_key else []),
        'signing_key = "signing_key.pem"',
        'sealing_key = "sealing_key.pem"',
        'checkpoint_key = "checkpoint_key.pem"',
        *_recovery_line(folder),
        'user_token = "user.token"',
        *_service_tables(services),
        *_bearer_tables(folder),
    ]
    write_public(path, ("\n".join(lines) + "\n").encode(), force=force)
    return path


def write_secret(path: Path, content: bytes, *, force: bool = False) -> None:
    """Writes a file that only its owner can read.

    Raises:
        AlreadyRecordedError: if it is there already, and `force` is not given.
    """
    _write(path, content, 0o600, force=force)


def write_private(path: Path, content: bytes, *, force: bool = False) -> None:
    """Writes a file that its owner alone may read.

    Raises:
        AlreadyRecordedError: if it is there already, and `force` is not given.
    """
    _write(path, content, 0o600, force=force)


def write_public(path: Path, content: bytes, *, force: bool = False) -> None:
    """Writes a file that anyone may read.

    Raises:
        AlreadyRecordedError: if it is there already, and `force` is not given.
    """
    _write(path, content, 0o644, force=force)


def _write(path: Path, content: bytes, mode: int, *, force: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if force:
        path.unlink(missing_ok=True)
    try:
        # Created with its mode: a key is never readable by others, not even for a moment.
        path.touch(mode=mode, exist_ok=False)
    except FileExistsError:
        raise AlreadyRecordedError(
            f"{path} is there already, and is kept; --force replaces it", path=str(path)
        ) from None
    path.write_bytes(content)


def _service_tables(services: Mapping[str, tuple[str, str]]) -> Iterable[str]:
    for name, (address, organization_id) in services.items():
        yield f'\n[{name}]\naddress = "{address}"\norganization_id = "{organization_id}"'


def _recovery_line(folder: Path) -> Iterable[str]:
    file = folder / "recovery_key.pem"
    if file.exists():
        yield f'recovery_key = "{SigningKey.load(file).public.hex()}"'


def _bearer_tables(folder: Path) -> Iterable[str]:
    for role in (Role.APP, Role.STEWARD, Role.OPERATOR):
        if (folder / f"{role}.pem").exists():
            yield f'\n[{role}]\ncertificate = "{role}.pem"\nprivate_key = "{role}_key.pem"'


_LEAF_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_AUTHORITY_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _authority_certificate(
    federation: str, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.Certificate:
    name = _name(federation, "development authority")
    return (
        _builder(key.public_key(), now, _AUTHORITY_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_AUTHORITY_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _name(federation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, federation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
