"""Checkpoints of a log and what their witnesses add: C2SP tlog-checkpoint and tlog-cosignature.

A checkpoint says in three lines which log it is of, how many entries it had and the root over
them; the log's key signs it. A witness who saw the log only grow adds its own line, with the time.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from homeroom.audit.note import (
    COSIGNATURE,
    NoteKey,
    NoteSignature,
    SignedNote,
    check_signature,
    is_key_name,
    strict_base64,
)
from homeroom.errors import EvidenceInvalidError
from homeroom.identity import require_organization_id
from homeroom.merkle import HASH_BYTES
from homeroom.signing import SigningKey

GATEWAY_LOG = "gateway-log"
"""What the gateway's log is called where others have their organization's id; none can be this."""

_MOST_ENTRIES = 2**63 - 1
_TIME_BYTES, _SIGNATURE_BYTES = 8, 64
_LINES = 3
# A datetime tells no later time.
_MOST_SECONDS = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
_MALFORMED = "a checkpoint is malformed"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log was when it had so many entries."""

    origin: str
    size: int
    root: bytes

    def encode(self) -> str:
        """The text that is signed: C2SP tlog-checkpoint without extension lines.

        Raises:
            EvidenceInvalidError: if no checkpoint can say this.
        """
        if not is_key_name(self.origin) or len(self.root) != HASH_BYTES:
            raise EvidenceInvalidError(_MALFORMED)
        if not 0 <= self.size <= _MOST_ENTRIES:
            raise EvidenceInvalidError(_MALFORMED)
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def decode(cls, text: str) -> "Checkpoint":
        """Reads a text strictly.

        Raises:
            EvidenceInvalidError: if it is not exactly what one checkpoint is written as.
        """
        lines = text.split("\n")
        if len(lines) != _LINES + 1 or not (lines[1].isascii() and lines[1].isdecimal()):
            raise EvidenceInvalidError(_MALFORMED)
        if len(lines[1]) > len(str(_MOST_ENTRIES)):
            raise EvidenceInvalidError(_MALFORMED)
        read = cls(lines[0], int(lines[1]), strict_base64(lines[2]))
        if read.encode() != text:
            raise EvidenceInvalidError(_MALFORMED)
        return read


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's word that, as of a time, this was the longest it had seen and nothing else."""

    witness: str
    at: datetime


def log_origin(federation: str, log_name: str) -> str:
    """The full name of a log, and of the key that signs its checkpoints.

    Args:
        federation: whose log it is among all.
        log_name: the organization whose node keeps it, or `GATEWAY_LOG`.
    """
    own = GATEWAY_LOG if log_name == GATEWAY_LOG else f"{log_name}/log"
    return f"homeroom/{federation}/{own}"


def require_log_name(log_name: str) -> str:
    """Returns the name if a log of a federation can have it.

    Raises:
        RequestInvalidError: if it is neither an organization's identifier nor the gateway's log.
    """
    return log_name if log_name == GATEWAY_LOG else require_organization_id(log_name)


def witness_name(federation: str, organization_id: str) -> str:
    """The name by which an organization cosigns."""
    return f"homeroom/{federation}/{organization_id}/witness"


def registry_witness_name(federation: str) -> str:
    """The name by which the registry of a federation cosigns."""
    return f"homeroom/{federation}/witness"


def sign_checkpoint(checkpoint: Checkpoint, key_name: str, private_key: SigningKey) -> str:
    """A signed note of the checkpoint."""
    text, key = checkpoint.encode(), NoteKey(key_name, private_key.public)
    if not is_key_name(key_name):
        raise EvidenceInvalidError(_MALFORMED)
    signature = NoteSignature(key_name, key.key_id, private_key.private.sign(text.encode()))
    return SignedNote(text, (signature,)).encode()


def open_checkpoint(note: str, key_name: str, public_key: bytes) -> Checkpoint:
    """The checkpoint of a note that the log's key signed.

    Raises:
        EvidenceInvalidError: if the key did not sign it, or it is of another log.
    """
    signed, key = SignedNote.parse(note), NoteKey(key_name, public_key)
    signatures = signed.signed_by(key)
    if not signatures:
        raise EvidenceInvalidError("a checkpoint is not signed by the log's key", key=key_name)
    for signature in signatures:
        check_signature(key, signature, signed.text)
    checkpoint = Checkpoint.decode(signed.text)
    if checkpoint.origin != key_name:
        raise EvidenceInvalidError("a checkpoint is of another log", key=key_name)
    return checkpoint


def read_checkpoint(note: str) -> Checkpoint:
    """What a note claims; nothing of it is verified.

    Raises:
        EvidenceInvalidError: if it is no checkpoint.
    """
    return Checkpoint.decode(SignedNote.parse(note).text)


def cosign(note: str, witness: str, private_key: SigningKey, at: datetime) -> str:
    """The line that a witness adds at the end of a checkpoint's note.

    Whoever calls this has opened the checkpoint and seen that it continues what it saw before.
    """
    text = SignedNote.parse(note).text
    Checkpoint.decode(text)
    seconds, key = int(at.timestamp()), NoteKey(witness, private_key.public, COSIGNATURE)
    if not is_key_name(witness) or seconds < 0:
        raise EvidenceInvalidError(_MALFORMED)
    signature = private_key.private.sign(_cosigned(text, seconds).encode())
    content = seconds.to_bytes(_TIME_BYTES, "big") + signature
    return NoteSignature(witness, key.key_id, content).line()


def open_cosignatures(note: str, witnesses: Iterable[NoteKey]) -> tuple[Cosignature, ...]:
    """Which of these witnesses cosigned, each at its latest time; others' lines are passed over.

    Raises:
        EvidenceInvalidError: if a line bears the name and key of one of them and does not check.
    """
    signed = SignedNote.parse(note)
    found = []
    for key in witnesses:
        times = [_cosigned_at(signed, key, content) for content in signed.signed_by(key)]
        if times:
            found.append(Cosignature(key.name, datetime.fromtimestamp(max(times), UTC)))
    return tuple(found)


def witness_key(name: str, public_key: bytes) -> NoteKey:
    """The key by which a witness's cosignatures are checked."""
    return NoteKey(name, public_key, COSIGNATURE)


def _cosigned_at(signed: SignedNote, key: NoteKey, content: bytes) -> int:
    seconds = int.from_bytes(content[:_TIME_BYTES], "big")
    if len(content) != _TIME_BYTES + _SIGNATURE_BYTES or seconds > _MOST_SECONDS:
        raise EvidenceInvalidError("a cosignature is malformed", key=key.name)
    check_signature(key, content[_TIME_BYTES:], _cosigned(signed.text, seconds))
    return seconds


def _cosigned(text: str, seconds: int) -> str:
    return f"cosignature/v1\ntime {seconds}\n{text}"
