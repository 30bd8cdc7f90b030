"""Reads and writes private keys: PKCS #8 in PEM, one key a file."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from homeroom.errors import EvidenceInvalidError


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """The signing key of a file.

    Raises:
        EvidenceInvalidError: if the file holds none.
    """
    key = _read(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise EvidenceInvalidError("the signing key file holds no Ed25519 key")
    return key


def read_sealing_key(path: Path) -> X25519PrivateKey:
    """The sealing key of a file.

    Raises:
        EvidenceInvalidError: if the file holds none.
    """
    key = _read(path)
    if not isinstance(key, X25519PrivateKey):
        raise EvidenceInvalidError("the sealing key file holds no X25519 key")
    return key


def private_key_pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    """A key as a file holds it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        return None
