"""Exchanges keys of an organization: the new file takes the place of the old one, which is kept.

An exchange that broke off goes on with the key that it had made: the registry may know it already.
"""

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from homeroom.credentials import (
    checkpoint_key_of,
    import_secret_file,
    import_secret_of,
    sealing_key_of,
    signing_key_of,
)
from homeroom.errors import (
    AlreadyRecordedError,
    ChangedMeanwhileError,
    EvidenceInvalidError,
    RequestInvalidError,
)
from homeroom.federation import FederationState, Organization
from homeroom.held_keys import next_file
from homeroom.profile import Profile, required
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from homeroom.steward import Steward

_TELLING_DIGITS = 16


class KeyKind(StrEnum):
    """The keys that a new record alone can exchange."""

    SEALING = "sealing"
    CHECKPOINT = "checkpoint"
    SIGNING = "signing"


@dataclass(frozen=True, slots=True)
class ExchangedKey:
    """A key that took another's place.

    Attributes:
        file: where the old key was, and the new one is.
        former: where the old key is now.
        key_id: the new key's fingerprint.
    """

    kind: KeyKind
    file: Path
    former: Path
    key_id: str


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an exchange came to.

    Attributes:
        agreements: those that name the former sealing key, and count no more until proposed anew.
    """

    organization: Organization
    keys: tuple[ExchangedKey, ...]
    agreements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Files:
    kind: KeyKind
    file: Path
    old: SealingKey | SigningKey
    new: SealingKey | SigningKey


async def exchange_keys(profile: Profile, kinds: Collection[KeyKind]) -> Exchanged:
    """Makes new keys, registers them, and puts their files where the old ones were.

    Args:
        profile: whose keys they are; its files are exchanged.
        kinds: which of them.

    Raises:
        RequestInvalidError: if none is named, or the organization is not registered.
        ChangedMeanwhileError: if the registry knows other keys than the profile's.
    """
    if not kinds:
        raise RequestInvalidError("say which key is exchanged", field="keys")
    async with Steward(profile) as steward:
        state = await steward.federation()
        known = _registered(profile, state)
        files = [await asyncio.to_thread(_prepared, profile, kind) for kind in sorted(kinds)]
        for one in files:
            _require_known(one, known)
        new = {one.kind: one.new for one in files}
        signing = new.get(KeyKind.SIGNING)
        organization = await steward.register_keys(
            known,
            new[KeyKind.SEALING].public if KeyKind.SEALING in new else b"",
            new[KeyKind.CHECKPOINT].public if KeyKind.CHECKPOINT in new else b"",
            signing if isinstance(signing, SigningKey) else None,
        )
    if KeyKind.SIGNING in new:
        await asyncio.to_thread(keep_import_secret, profile)
    keys = [await asyncio.to_thread(_put_in_place, one) for one in files]
    former = [one.old.public for one in files if one.kind is KeyKind.SEALING]
    held = _agreements_with(state, replace(known, sealing_key=former[0])) if former else ()
    return Exchanged(organization, tuple(keys), held)


async def recover_key(profile: Profile, recovery_key: Path, kept: bytes | None) -> Exchanged:
    """Makes a signing key, registers it by the recovery key's word, and puts its file in place.

    Args:
        profile: whose key it is; its file may be gone.
        recovery_key: the file of the recovery key.
        kept: a snapshot from before a theft; what was signed since then does not stand.

    Raises:
        RequestInvalidError: if the organization is not registered, or a file cannot be used.
        EvidenceInvalidError: if it is not the registered recovery key.
    """
    prover = await asyncio.to_thread(SigningKey.load, recovery_key)
    file = required(profile.signing_key, "signing_key")
    made = await asyncio.to_thread(_kept, next_file(file), SigningKey.generate().to_pem())
    new = SigningKey.load(made)
    async with Steward(profile) as steward:
        state = await steward.federation()
        known = _registered(profile, state)
        organization = known
        if known.signing_key != new.public:
            organization = await steward.recover(known, new, prover, kept)
    exchanged = await asyncio.to_thread(_recovered, file, new)
    return Exchanged(organization, (exchanged,), _agreements_with(state, known))


def _recovered(file: Path, new: SigningKey) -> ExchangedKey:
    """Puts a recovered key in place; the one before it is kept, if there is one to keep."""
    if file.exists():
        with suppress(EvidenceInvalidError):
            old = SigningKey.load(file)
            return _put_in_place(_Files(KeyKind.SIGNING, file, old, new))
    next_file(file).replace(file)
    _flush(file.parent)
    return ExchangedKey(KeyKind.SIGNING, file, file, new.key_id)


def keep_import_secret(profile: Profile) -> None:
    """Keeps the secret by which a form has its identifier: the next signing key would give another.

    Raises:
        RequestInvalidError: if it cannot be written.
    """
    file = required(profile.signing_key, "signing_key")
    _kept(import_secret_file(file), import_secret_of(profile).hex().encode())


def _registered(profile: Profile, state: FederationState) -> Organization:
    known = state.organizations.get(profile.organization_id)
    if known is None:
        raise RequestInvalidError("register the organization first", field="organization_id")
    return known


def _prepared(profile: Profile, kind: KeyKind) -> _Files:
    """The old key and the next one, whose file is made if an exchange has not left one."""
    if kind is KeyKind.SEALING:
        file, old = required(profile.sealing_key, "sealing_key"), sealing_key_of(profile)
        made = _kept(next_file(file), SealingKey.generate().to_pem())
        return _Files(kind, file, old, SealingKey.load(made))
    if kind is KeyKind.SIGNING:
        file, signer = required(profile.signing_key, "signing_key"), signing_key_of(profile)
    else:
        file = required(profile.checkpoint_key, "checkpoint_key")
        signer = checkpoint_key_of(profile)
    made = _kept(next_file(file), SigningKey.generate().to_pem())
    return _Files(kind, file, signer, SigningKey.load(made))


def _require_known(one: _Files, known: Organization) -> None:
    registered = {
        KeyKind.SEALING: known.sealing_key,
        KeyKind.CHECKPOINT: known.checkpoint_key,
        KeyKind.SIGNING: known.signing_key,
    }[one.kind]
    if registered and registered not in (one.old.public, one.new.public):
        # The file would be kept as the former key, and it is not.
        raise ChangedMeanwhileError(f"the registry knows another {one.kind} key", field="profile")


def _kept(path: Path, content: bytes) -> Path:
    """Writes a key whole or not at all; one that is there already stays."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # Created with its mode: a key is never readable by others, not even for a moment.
        partial.touch(mode=0o600, exist_ok=False)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not path.exists():
            os.link(partial, path)
    except OSError as failed:
        raise RequestInvalidError(
            f"cannot write {path}: {failed.strerror}", field="profile"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    _flush(path.parent)
    return path


def _put_in_place(one: _Files) -> ExchangedKey:
    former = one.file.with_name(
        f"{one.file.stem}_former_{one.old.key_id[:_TELLING_DIGITS]}{one.file.suffix}"
    )
    _kept(former, one.old.to_pem())
    if former.read_bytes() != one.old.to_pem():
        raise AlreadyRecordedError(f"{former} is there already, and holds another key")
    next_file(one.file).replace(one.file)
    _flush(one.file.parent)
    return ExchangedKey(one.kind, one.file, former, one.new.key_id)


def _flush(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _agreements_with(state: FederationState, former: Organization) -> tuple[str, ...]:
    return tuple(name for name, one in sorted(state.agreements.items()) if one.seen_by(former))
