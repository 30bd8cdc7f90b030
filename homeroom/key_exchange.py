"""Exchanges keys of an organization: the new file takes the place of the old one, which is kept.

An exchange that broke off goes on with the key that it had made: the registry may know it already.
"""

import asyncio
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from homeroom.credentials import checkpoint_key_of, sealing_key_of
from homeroom.errors import AlreadyRecordedError, ChangedMeanwhileError, RequestInvalidError
from homeroom.federation import FederationState, Organization
from homeroom.profile import Profile, required
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from homeroom.steward import Steward

_TELLING_DIGITS = 16


class KeyKind(StrEnum):
    """The keys that a new record alone can exchange."""

    SEALING = "sealing"
    CHECKPOINT = "checkpoint"


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
        new = {one.kind: one.new.public for one in files}
        organization = await steward.register_keys(
            known, new.get(KeyKind.SEALING, b""), new.get(KeyKind.CHECKPOINT, b"")
        )
    keys = [await asyncio.to_thread(_put_in_place, one) for one in files]
    former = [one.old.public for one in files if one.kind is KeyKind.SEALING]
    held = _agreements_with(state, replace(known, sealing_key=former[0])) if former else ()
    return Exchanged(organization, tuple(keys), held)


def _registered(profile: Profile, state: FederationState) -> Organization:
    known = state.organizations.get(profile.organization_id)
    if known is None:
        raise RequestInvalidError("register the organization first", field="organization_id")
    return known


def _prepared(profile: Profile, kind: KeyKind) -> _Files:
    """The old key and the next one, whose file is made if an exchange has not left one."""
    if kind is KeyKind.SEALING:
        file, old = required(profile.sealing_key, "sealing_key"), sealing_key_of(profile)
        made = _kept(_next_file(file), SealingKey.generate().to_pem())
        return _Files(kind, file, old, SealingKey.load(made))
    file, signer = required(profile.checkpoint_key, "checkpoint_key"), checkpoint_key_of(profile)
    made = _kept(_next_file(file), SigningKey.generate().to_pem())
    return _Files(kind, file, signer, SigningKey.load(made))


def _require_known(one: _Files, known: Organization) -> None:
    registered = known.sealing_key if one.kind is KeyKind.SEALING else known.checkpoint_key
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
    _next_file(one.file).replace(one.file)
    _flush(one.file.parent)
    return ExchangedKey(one.kind, one.file, former, one.new.key_id)


def _next_file(file: Path) -> Path:
    return file.with_name(f"{file.stem}_next{file.suffix}")


def _flush(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _agreements_with(state: FederationState, former: Organization) -> tuple[str, ...]:
    return tuple(name for name, one in sorted(state.agreements.items()) if one.seen_by(former))
