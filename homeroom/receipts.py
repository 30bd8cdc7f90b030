"""Keeps what an app asked and every receipt it was given, to hold the holders' logs to them.

A folder of JSON lines, one file for each month, to which lines are only ever added: `asked` before
a question leaves, `receipt` for each receipt whose signature checked, `silent` for a holder that
sent none, `checkpoint` of a log that was reconciled, and `certificate` of what was destroyed, once
its holder has signed that it came. None of them is about a student: a question stands there by
its digest, which nobody finds the students from, because the question's own id is random.
"""

import contextlib
import datetime as dt
import fcntl
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeroom.api.common.v1 import answer_pb2, destruction_pb2, evidence_pb2
from homeroom.audit.checkpoint import read_checkpoint
from homeroom.clock import Clock
from homeroom.errors import EvidenceInvalidError, LogUnavailableError
from homeroom.evidence import decode
from homeroom.opening import Asking
from homeroom.signing import digest_of

_SUFFIX = ".jsonl"
_LOCK = "lock"
_OWNER_ONLY, _OWNERS_FOLDER = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """A question that was about to leave.

    Attributes:
        query_digest: the SHA-256 digest of the query's exact bytes.
        basis, level: the ground that was claimed, and how much was asked about one student.
        holders: those that it named; empty if it was for every party.
    """

    query_digest: bytes
    at: dt.datetime
    agreement_id: str = ""
    purpose: str = ""
    basis: str = ""
    level: str = ""
    dataset: str = ""
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """A receipt, with the signature that it came with.

    Attributes:
        evidence: the holder's SignedStatement of it, serialized.
    """

    at: dt.datetime
    holder: str
    evidence: bytes

    @property
    def statement(self) -> bytes:
        """The exact bytes that the holder signed."""
        return decode(evidence_pb2.SignedStatement, self.evidence).statement

    @property
    def receipt(self) -> answer_pb2.Receipt:
        """What the holder said."""
        return decode(answer_pb2.Receipt, self.statement)


@dataclass(frozen=True, slots=True)
class Silence:
    """A holder that sent no receipt, and what became of the question there."""

    query_digest: bytes
    at: dt.datetime
    holder: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SentCertificate:
    """A certificate of destruction that its holder has kept.

    Attributes:
        evidence: the SignedStatement of a DestructionCertificate, serialized.
        receipt: the holder's SignedStatement of a CertificateReceipt, serialized.
    """

    at: dt.datetime
    holder: str
    evidence: bytes
    receipt: bytes

    @property
    def certificate(self) -> destruction_pb2.DestructionCertificate:
        """What was certified."""
        statement = decode(evidence_pb2.SignedStatement, self.evidence).statement
        return decode(destruction_pb2.DestructionCertificate, statement)


@dataclass(frozen=True, slots=True)
class SeenCheckpoint:
    """A holder's log as it once showed itself; from then on it may only grow.

    Attributes:
        note: the checkpoint, signed by the log's key.
    """

    at: dt.datetime
    holder: str
    note: str


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A line that cannot be read: torn by a crash, or changed by hand."""

    file: str
    line: int


Kept = AskedQuery | KeptReceipt | Silence | SeenCheckpoint | SentCertificate | DamagedLine


class ReceiptFiles:
    """The receipts of one profile. Several processes may add to them, one at a time."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock

    def note_asked(self, asking: Asking) -> None:
        """Notes that a question is about to leave.

        Raises:
            LogUnavailableError: if it cannot be noted; then it must not be asked.
        """
        question = asking.question
        self._add(
            "asked",
            query_digest=asking.query_digest.hex(),
            agreement=question.agreement_id,
            purpose=question.purpose,
            basis=question.ground,
            level=question.level,
            dataset=question.dataset,
            holders=list(question.holders),
        )

    def keep(self, holder: str, evidence: bytes) -> None:
        """Keeps a receipt whose signature was checked.

        Raises:
            LogUnavailableError: if it cannot be kept.
        """
        self._add("receipt", holder=holder, evidence=b64encode(evidence).decode())

    def note_silent(self, holder: str, query_digest: bytes, outcome: str) -> None:
        """Notes that a holder sent no receipt; no evidence, so that nothing fails for its lack."""
        with contextlib.suppress(LogUnavailableError):
            self._add("silent", holder=holder, query_digest=query_digest.hex(), outcome=outcome)

    def keep_checkpoint(self, holder: str, note: str) -> None:
        """Keeps what a holder's log was, once it was checked."""
        self._add("checkpoint", holder=holder, note=note)

    def keep_certificate(self, holder: str, evidence: bytes, receipt: bytes) -> None:
        """Keeps a certificate of destruction, and its holder's signed word that it came.

        Raises:
            LogUnavailableError: if it cannot be kept.
        """
        self._add(
            "certificate",
            holder=holder,
            evidence=b64encode(evidence).decode(),
            receipt=b64encode(receipt).decode(),
        )

    def sync(self) -> None:
        """Has the newest file on disk, as far as the machine can tell."""
        with contextlib.suppress(OSError), self._file(self._clock()).open("rb") as file:
            os.fsync(file.fileno())

    def kept(self) -> Iterator[Kept]:
        """Everything that was ever kept, oldest first; nothing if there is no folder yet."""
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            lines = path.read_bytes().split(b"\n")
            for number, line in enumerate(lines, start=1):
                if line:
                    yield _read(line) or DamagedLine(path.name, number)

    def _file(self, now: dt.datetime) -> Path:
        return self.folder / f"{now:%Y-%m}{_SUFFIX}"

    def _add(self, kind: str, **content: Any) -> None:
        now = self._clock()
        written = {"kind": kind, "at": now.isoformat(timespec="milliseconds"), **content}
        line = json.dumps(written, sort_keys=True)
        try:
            self.folder.mkdir(mode=_OWNERS_FOLDER, parents=True, exist_ok=True)
            with _opened(self.folder / _LOCK) as lock, _opened(self._file(now)) as file:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # What a crash has torn stays a line of its own.
                torn = os.fstat(file).st_size and os.pread(file, 1, os.fstat(file).st_size - 1)
                begin = b"\n" if torn not in (0, b"\n") else b""
                whole = begin + line.encode() + b"\n"
                if os.write(file, whole) == len(whole):
                    return
        except OSError:
            pass  # told below, as a disk that is full
        raise LogUnavailableError(
            f"receipts cannot be kept in {self.folder}; the profile's `receipts` names another "
            "folder",
            folder=str(self.folder),
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
    try:
        yield file
    finally:
        os.close(file)


def _read(line: bytes) -> Kept | None:
    """What a line says; None if it cannot be read."""
    try:
        content = json.loads(line)
        return _READERS[content["kind"]](content)
    except (ValueError, KeyError, TypeError, AttributeError, EvidenceInvalidError):
        return None


def _asked(content: Mapping[str, Any]) -> AskedQuery:
    return AskedQuery(
        query_digest=bytes.fromhex(content["query_digest"]),
        at=dt.datetime.fromisoformat(content["at"]),
        agreement_id=content["agreement"],
        purpose=content["purpose"],
        basis=content["basis"],
        level=content["level"],
        dataset=content["dataset"],
        holders=tuple(content["holders"]),
    )


def _receipt(content: Mapping[str, Any]) -> KeptReceipt:
    kept = KeptReceipt(
        dt.datetime.fromisoformat(content["at"]),
        content["holder"],
        b64decode(content["evidence"], validate=True),
    )
    if len(kept.receipt.query_digest) != len(digest_of(b"")):
        raise EvidenceInvalidError("a receipt names its query")
    return kept


def _silence(content: Mapping[str, Any]) -> Silence:
    return Silence(
        bytes.fromhex(content["query_digest"]),
        dt.datetime.fromisoformat(content["at"]),
        content["holder"],
        content["outcome"],
    )


def _checkpoint(content: Mapping[str, Any]) -> SeenCheckpoint:
    read_checkpoint(content["note"])
    return SeenCheckpoint(
        dt.datetime.fromisoformat(content["at"]), content["holder"], content["note"]
    )


def _certificate(content: Mapping[str, Any]) -> SentCertificate:
    sent = SentCertificate(
        dt.datetime.fromisoformat(content["at"]),
        content["holder"],
        b64decode(content["evidence"], validate=True),
        b64decode(content["receipt"], validate=True),
    )
    if not sent.certificate.answers:
        raise EvidenceInvalidError("a certificate names its answers")
    return sent


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Kept]] = {
    "asked": _asked,
    "receipt": _receipt,
    "silent": _silence,
    "checkpoint": _checkpoint,
    "certificate": _certificate,
}
