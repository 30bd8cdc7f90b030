"""Publishes policies: signs a folder's rules into a bundle, signs it a second time, goes back."""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from homeroom.errors import AlreadyRecordedError, RequestInvalidError
from homeroom.signing import SigningKey
from services.runtime.policy.bundle import PolicyBundle
from services.runtime.policy.folder import PolicyFolder
from services.runtime.policy.release import FEDERATION, Release, Replayed, SignedRelease

_FEDERATION_ROOT, _LOCAL_ROOT = "homeroom/federation", "homeroom/local"


@dataclass(frozen=True, slots=True)
class Publication:
    """What is said of rules when they are published.

    Attributes:
        federation: the federation's name.
        organization: whose policy it is; without effect for the federation's own.
        expires: when it stops deciding.
        sequence: its number; None for one more than that of the file that it replaces.
        report: what replay reported of these rules; None if they were not tried.
    """

    federation: str
    organization: str
    expires: dt.datetime
    sequence: int | None = None
    report: bytes | None = None


def publish(rules: PolicyFolder, publication: Publication, key: SigningKey, out: Path) -> Release:
    """Writes rules as a signed bundle; the bundle that it replaces is kept beside it.

    Raises:
        RequestInvalidError: if it cannot be said whose they are, or the report is of other rules.
        EvidenceInvalidError: if the file that it would replace is no bundle.
    """
    before = PolicyBundle.read(out) if out.exists() else None
    last = before.release.sequence if before else 0
    release = Release(
        federation=_said("federation", publication.federation),
        scope=_scope_of(rules, publication.organization),
        revision=rules.revision,
        sequence=last + 1 if publication.sequence is None else publication.sequence,
        expires=publication.expires,
        replayed=_replayed(publication.report, rules.revision) if publication.report else None,
    )
    if before is not None:
        if release.sequence <= last:
            raise RequestInvalidError("a node takes no sequence twice", field="sequence")
        before.write(kept_beside(out, last))
    PolicyBundle(rules, SignedRelease.sign(release, [key])).write(out)
    return release


def sign_also(path: Path, key: SigningKey) -> Release:
    """Adds a second person's signature to a bundle.

    Raises:
        EvidenceInvalidError: if it is no bundle.
        AlreadyRecordedError: if this key has signed it already.
    """
    bundle = PolicyBundle.read(path)
    if bundle.signed.is_signed_by(key.public):
        raise AlreadyRecordedError("this key has signed the bundle already")
    replace(bundle, signed=bundle.signed.signed_also(key)).write(path)
    return bundle.release


def kept_beside(out: Path, sequence: int) -> Path:
    """Where the bundle of a sequence is kept once another has its place."""
    name = out.name.partition(".")
    return out.with_name(f"{name[0]}.{sequence}.{name[2]}" if name[2] else f"{name[0]}.{sequence}")


def side_of(rules: PolicyFolder) -> str:
    """Whose rules they are by their roots: `federation` or `local`.

    Raises:
        RequestInvalidError: if they are neither.
    """
    if _FEDERATION_ROOT in rules.roots:
        return "federation"
    if _LOCAL_ROOT in rules.roots:
        return "local"
    raise RequestInvalidError("the rules are neither a federation's nor a local policy")


def _scope_of(rules: PolicyFolder, organization: str) -> str:
    if side_of(rules) == "federation":
        return FEDERATION
    return _said("organization", organization)


def _said(field: str, value: str) -> str:
    if not value:
        raise RequestInvalidError(f"say --{field}", field=field)
    return value


def _replayed(report: bytes, revision: str) -> Replayed:
    try:
        content = json.loads(report)
        tried = (content["candidate"], int(content["decisions"]), int(content["widened"]))
    except (ValueError, KeyError, TypeError) as unread:
        raise RequestInvalidError("that is no report of a replay", field="report") from unread
    if tried[0] != revision:
        raise RequestInvalidError("the report is of other rules", field="report")
    return Replayed(tried[1], tried[2], hashlib.sha256(report).hexdigest())
