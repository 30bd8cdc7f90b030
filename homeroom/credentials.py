"""Loads the keys and certificates that a profile names."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from homeroom.channel import ClientCredentials
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.identity import Role
from homeroom.profile import Bearer, Profile, required
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey

K = TypeVar("K")


def credentials_of(profile: Profile, role: Role) -> ClientCredentials:
    """The certificate with which a profile acts in a role: APP, STEWARD or OPERATOR.

    Raises:
        RequestInvalidError: if the profile has none, or a file cannot be read.
    """
    bearers: dict[Role, Bearer | None] = {
        Role.APP: profile.app,
        Role.STEWARD: profile.steward,
        Role.OPERATOR: profile.operator,
    }
    bearer = required(bearers.get(role), f"certificate for the role {role}")
    try:
        return ClientCredentials.load(bearer.certificate, bearer.private_key, profile.authorities)
    except OSError as wrong:
        raise _unreadable(Path(wrong.filename or "")) from None


def signing_key_of(profile: Profile) -> SigningKey:
    """The organization's signing key.

    Raises:
        RequestInvalidError: if the profile names none, or its file holds none.
    """
    return _load(SigningKey.load, required(profile.signing_key, "signing_key"))


def import_secret_of(profile: Profile) -> bytes:
    """The organization's own secret, by which the same form has the same identifier.

    It is made of the first signing key, and kept in a file when that is exchanged.

    Raises:
        RequestInvalidError: if the profile names no signing key, or a file cannot be used.
    """
    file = import_secret_file(required(profile.signing_key, "signing_key"))
    if not file.exists():
        return signing_key_of(profile).secret_for("homeroom/consent-id/v1")
    return _load(lambda path: bytes.fromhex(path.read_text("ascii")), file)


def import_secret_file(signing_key: Path) -> Path:
    """Where that secret is kept beside the signing key."""
    return signing_key.with_name("consent_id_secret")


def sealing_key_of(profile: Profile) -> SealingKey:
    """The organization's sealing key.

    Raises:
        RequestInvalidError: if the profile names none, or its file holds none.
    """
    return _load(SealingKey.load, required(profile.sealing_key, "sealing_key"))


def checkpoint_key_of(profile: Profile) -> SigningKey:
    """The key that signs the checkpoints of the organization's log.

    Raises:
        RequestInvalidError: if the profile names none, or its file holds none.
    """
    return _load(SigningKey.load, required(profile.checkpoint_key, "checkpoint_key"))


def _load(load: Callable[[Path], K], path: Path) -> K:
    try:
        return load(path)
    except (OSError, ValueError, TypeError, EvidenceInvalidError):
        raise _unreadable(path) from None


def _unreadable(path: Path) -> RequestInvalidError:
    return RequestInvalidError(f"the key file {path} cannot be used", field="profile")
