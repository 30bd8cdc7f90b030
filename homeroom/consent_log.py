"""What the consent service logs of each change, so that a log and its proofs mean one thing."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import leaf_hash

_KEYS = {"consent_id", "digest", "kind", "organization_id", "sequence"}


class ChangeKind(StrEnum):
    """What may change."""

    RECORDED = "recorded"
    REVOKED = "revoked"
    NARROWED = "narrowed"
    REPORTED = "reported"
    ROTATED = "rotated"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One leaf of the log; the change of sequence n is the leaf of index n - 1.

    Attributes:
        consent_id: empty where a change is about several.
        organization_id: who made the change.
        digest: of all that the change carried.
    """

    sequence: int
    kind: ChangeKind
    consent_id: str
    organization_id: str
    digest: bytes

    def encode(self) -> bytes:
        """The entry's exact bytes."""
        # Written out: every part is a number or a word without quotes, and there are many.
        return (
            f'{{"consent_id":"{self.consent_id}","digest":"{self.digest.hex()}",'
            f'"kind":"{self.kind}","organization_id":"{self.organization_id}",'
            f'"sequence":{self.sequence}}}'
        ).encode()

    def leaf(self) -> bytes:
        """The entry's hash in the tree."""
        return leaf_hash(self.encode())

    @classmethod
    def decode(cls, entry: bytes) -> "LogEntry":
        """Reads an entry's bytes strictly.

        Raises:
            EvidenceInvalidError: if they are not exactly what one entry is written as.
        """
        try:
            said = json.loads(entry)
            read = cls(
                sequence=said["sequence"],
                kind=ChangeKind(said["kind"]),
                consent_id=said["consent_id"],
                organization_id=said["organization_id"],
                digest=bytes.fromhex(said["digest"]),
            )
        except (ValueError, TypeError, KeyError) as wrong:
            raise EvidenceInvalidError("an entry of the log cannot be read") from wrong
        if read.encode() != entry or said.keys() != _KEYS:
            raise EvidenceInvalidError("an entry of the log is written in another form")
        return read


def consent_digest(
    consent_id: str,
    recorder: str,
    holder: str,
    bodies: Iterable[tuple[str, bytes, int, bytes]],
) -> bytes:
    """The SHA-256 digest of a consent and all its bodies, whatever their order.

    Of each body there are the organization, the sealed key, the place and the sealed evidence.
    """
    parts = [consent_id.encode(), recorder.encode(), holder.encode()]
    for organization_id, sealed_key, place, sealed_evidence in sorted(bodies):
        parts += (organization_id.encode(), sealed_key, b"%d" % place, sealed_evidence)
    return _digest_of(parts)


def notice_digest(
    kind: ChangeKind,
    consent_id: str,
    organization_id: str,
    notices: Iterable[tuple[str, bytes]],
) -> bytes:
    """The SHA-256 digest of a notice, whatever the order of its readers.

    Of each reader there are the organization and the sealed statement.
    """
    parts = [kind.encode(), consent_id.encode(), organization_id.encode()]
    for reader, sealed_statement in sorted(notices):
        parts += (reader.encode(), sealed_statement)
    return _digest_of(parts)


def _digest_of(parts: Iterable[bytes]) -> bytes:
    # Each part after its length, so that nothing can be moved from one to the next.
    return hashlib.sha256(b"".join([b"%d:%b" % (len(part), part) for part in parts])).digest()
