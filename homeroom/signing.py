"""Signs exact bytes and checks signatures: Ed25519 (RFC 8032) over a domain prefix and the bytes.

The prefix says what kind of statement was signed, so that a signature made for one kind never
serves another.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from homeroom.errors import EvidenceInvalidError
from homeroom.private_keys import private_key_pem, read_signing_key

KEY_BYTES = 32


class Domain(StrEnum):
    """The kinds of statements that are signed."""

    ORGANIZATION = "homeroom/organization/v1"
    RECOVERY = "homeroom/organization-recovery/v1"
    AGREEMENT_STATEMENT = "homeroom/agreement-statement/v1"
    SNAPSHOT = "homeroom/registry-snapshot/v1"
    REGISTRY_HEARTBEAT = "homeroom/registry-heartbeat/v1"
    CONSENT_BATCH = "homeroom/consent-batch/v1"
    REVOCATION = "homeroom/revocation/v1"
    WITHDRAWAL_DETAILS = "homeroom/withdrawal-details/v1"
    NARROWING = "homeroom/narrowing/v1"
    VERDICTS = "homeroom/verdicts/v1"
    ROTATION = "homeroom/rotation/v1"
    CONSENT_LOG_HEAD = "homeroom/consent-log-head/v1"
    CONSENT_RECEIPT = "homeroom/consent-receipt/v1"
    CONSENT_HEARTBEAT = "homeroom/consent-heartbeat/v1"
    QUERY = "homeroom/query/v1"
    APPROVAL = "homeroom/approval/v1"
    OUTSIDE_REQUEST = "homeroom/outside-request/v1"
    RECEIPT = "homeroom/receipt/v1"
    LOG_BEGINNING = "homeroom/log-beginning/v1"
    ACCOUNT_REQUEST = "homeroom/account-request/v1"
    ACCOUNT = "homeroom/account/v1"
    DESTRUCTION_CERTIFICATE = "homeroom/destruction-certificate/v1"
    CERTIFICATE_RECEIPT = "homeroom/certificate-receipt/v1"
    POLICY_RELEASE = "homeroom/policy-release/v1"


def key_id_of(public_key: bytes) -> str:
    """The SHA-256 fingerprint of a raw public key, in hexadecimal."""
    return hashlib.sha256(public_key).hexdigest()


def digest_of(statement: bytes) -> bytes:
    """The SHA-256 digest of a statement's exact bytes."""
    return hashlib.sha256(statement).digest()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An organization's private signing key. It never leaves the process that loads it."""

    private: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Reads a PKCS #8 PEM file.

        Raises:
            EvidenceInvalidError: if the file holds no such key.
        """
        return cls(read_signing_key(path))

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return key_id_of(self.public)

    def to_pem(self) -> bytes:
        return private_key_pem(self.private)

    def sign(self, domain: Domain, statement: bytes) -> bytes:
        """Signs a statement of one kind; 64 bytes."""
        return self.private.sign(_prefixed(domain, statement))

    def secret_for(self, use: str) -> bytes:
        """32 secret bytes for another use of the organization's own, always the same."""
        derive = HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=use.encode())
        return derive.derive(self.private.private_bytes_raw())


def verify(domain: Domain, statement: bytes, signature: bytes, public_key: bytes) -> None:
    """Checks one signature.

    Raises:
        EvidenceInvalidError: if the key did not sign these bytes as this kind of statement.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signature, _prefixed(domain, statement)
        )
    except (InvalidSignature, ValueError) as wrong:
        raise EvidenceInvalidError("a signature does not check", kind=str(domain)) from wrong


def _prefixed(domain: Domain, statement: bytes) -> bytes:
    return domain.encode() + b"\x00" + statement
