"""Holds a holder's log to the receipts that it gave, and names every gap, on either side.

Nobody is asked to be believed: what the log has is proved by its tree, and what the receipts say by
the holder's own signature. A holder that leaves a question out of its account is found by the
receipt of it; a receipt that was lost, by the entry.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from homeroom.api.common.v1 import answer_pb2, evidence_pb2
from homeroom.audit.accounts import Account, LoggedEntry, LoggedQuestion
from homeroom.audit.checkpoint import Checkpoint, read_checkpoint
from homeroom.audit.events import AuditKind
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import check_signed_by, decode
from homeroom.key_history import KeyHistory
from homeroom.merkle import check_consistency, check_inclusion
from homeroom.receipts import AskedQuery, DamagedLine, Kept, KeptReceipt, SeenCheckpoint, Silence
from homeroom.signing import Domain


class GapKind(StrEnum):
    """What does not agree between a requester's receipts and a holder's log."""

    RECEIPT_WITHOUT_ENTRY = "receipt_without_entry"  # the log has nothing of what was signed for
    ENTRY_WITHOUT_RECEIPT = (
        "entry_without_receipt"  # an answer ended there, its receipt is not here
    )
    ENTRY_WITHOUT_QUESTION = "entry_without_question"  # here nobody asked that
    ENTRY_WITHOUT_END = "entry_without_end"  # decided, and nothing says what left
    OTHER_ENTRY = "other_entry"  # the receipt names another entry than the log has
    OTHER_CONTENT = "other_content"  # receipt and entry tell different things
    NOT_PROVED = "not_proved"  # what was told of an entry does not lead to the root of the log
    LOG_REWRITTEN = "log_rewritten"  # the log is not what it was before, and more
    OTHER_LOG = "other_log"  # the log is not the one that its witnesses were shown
    RECEIPT_UNPROVED = "receipt_unproved"  # no key that counted when it came has signed it


ACCUSING = frozenset(
    {
        GapKind.RECEIPT_WITHOUT_ENTRY,
        GapKind.ENTRY_WITHOUT_QUESTION,
        GapKind.OTHER_ENTRY,
        GapKind.OTHER_CONTENT,
        GapKind.NOT_PROVED,
        GapKind.LOG_REWRITTEN,
        GapKind.OTHER_LOG,
    }
)
"""The gaps that no lost connection and no crash explains."""

_OUTCOME_OF_ENDING = {
    "answered": answer_pb2.OUTCOME_ANSWERED,
    "no_permitted_answer": answer_pb2.OUTCOME_NO_PERMITTED_ANSWER,
}


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that does not agree.

    Attributes:
        query_digest: hexadecimal; empty where it is about the log as a whole.
        at: when it was written or received, in seconds since 1970.
        said: what is known of it, by name: indexes, numbers, outcomes; never content.
        notes: checkpoints that the log's own key signed, and that cannot all be of one log.
    """

    kind: GapKind
    query_digest: str = ""
    at: int = 0
    said: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WitnessedNote:
    """The newest checkpoint that a log's witness has of it; its signatures were checked."""

    checkpoint: Checkpoint
    note: str


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """What a requester has kept of its questions to one holder.

    Attributes:
        asked: every question that left, to whomever, by its digest.
        silences: what became of the questions that this holder sent no receipt for.
    """

    asked: Mapping[bytes, AskedQuery]
    receipts: dict[bytes, list[KeptReceipt]] = field(default_factory=dict)
    silences: dict[bytes, str] = field(default_factory=dict)
    seen: list[Checkpoint] = field(default_factory=list)

    @property
    def longest_seen(self) -> Checkpoint | None:
        """The holder's log as it showed itself when it was longest."""
        return max(self.seen, key=lambda one: one.size, default=None)


class OwnRecords:
    """What a requester has kept, by holder."""

    def __init__(self, kept: Iterable[Kept]) -> None:
        self._asked: dict[bytes, AskedQuery] = {}
        self._records: dict[str, OwnRecord] = {}
        self.damaged: list[DamagedLine] = []
        for one in kept:
            self._take(one)

    def of(self, holder: str) -> OwnRecord:
        """What was kept of one holder."""
        return self._records.setdefault(holder, OwnRecord(self._asked))

    def _take(self, one: Kept) -> None:
        match one:
            case AskedQuery():
                self._asked[one.query_digest] = one
            case KeptReceipt():
                self.of(one.holder).receipts.setdefault(one.receipt.query_digest, []).append(one)
            case Silence():
                self.of(one.holder).silences[one.query_digest] = one.outcome
            case SeenCheckpoint():
                self.of(one.holder).seen.append(read_checkpoint(one.note))
            case DamagedLine():
                self.damaged.append(one)


def proof_gaps(
    account: Account,
    state: Checkpoint,
    known: Sequence[Checkpoint],
    witnessed: WitnessedNote | None = None,
) -> list[Gap]:
    """What of an account its tree does not prove.

    Args:
        account: one page.
        state: its checkpoint, whose signature was checked.
        known: what the log is known to have been, in the order in which proofs were asked for.
        witnessed: what its witness had of it before the account was asked for; the proof that was
            asked for last.
    """
    gaps = [
        Gap(GapKind.LOG_REWRITTEN, said={"known_size": before.size, "size": state.size})
        for place, before in enumerate(known)
        if not _only_grew(before, state, account.growth[place : place + 1])
    ]
    if witnessed is not None:
        gaps += _beside_witness(account, state, witnessed, account.growth[len(known) :][:1])
    last = -1
    for question in account.questions:
        entries = [question.decided] + ([question.ended] if question.ended else [])
        proved = question.decided.index > last and all(
            _stands(entry, question, state) for entry in entries
        )
        last = question.decided.index
        if not proved:
            gaps.append(_gap(GapKind.NOT_PROVED, question))
    return gaps


def compare(
    questions: Sequence[LoggedQuestion], own: OwnRecord, since: dt.datetime, until: dt.datetime
) -> list[Gap]:
    """Every gap between what a log has and what was kept here.

    Args:
        questions: all that the log has of the questions of that time, proved.
        own: what was kept, read after the log was.
        since: from when on; the log was asked from a little earlier.
        until: when the log was asked; what was asked or received after that is left out.
    """
    gaps: list[Gap] = []
    for question in questions:
        asked = own.asked.get(question.query_digest)
        if question.decided.at >= since.timestamp() and (asked is None or asked.at < until):
            gaps += _of_question(question, own)
    met = {question.query_digest for question in questions}
    for digest in own.receipts.keys() - met:
        gaps += [
            Gap(
                GapKind.RECEIPT_WITHOUT_ENTRY,
                digest.hex(),
                int(kept.at.timestamp()),
                {"log_index": kept.receipt.log_index, "rows": kept.receipt.row_count},
            )
            for kept in own.receipts[digest]
            if since <= kept.at < until
        ]
    return sorted(gaps, key=lambda gap: (gap.at, gap.query_digest, gap.kind))


def unproved(
    own: OwnRecord, holder: str, keys: KeyHistory, since: dt.datetime, until: dt.datetime
) -> list[Gap]:
    """Receipts that prove nothing: signed by a key that was stolen by then, or changed since.

    Each was checked when it came. That its key had been stolen may have been said since.

    Args:
        own: what was kept of the holder.
        holder: who is to have signed.
        keys: the holder's, as they are known now.
        since: when the first came that is looked at.
        until: before this came the last.
    """
    return [
        Gap(
            GapKind.RECEIPT_UNPROVED,
            digest.hex(),
            int(kept.at.timestamp()),
            {"log_index": kept.receipt.log_index},
        )
        for digest, receipts in sorted(own.receipts.items())
        for kept in receipts
        if since <= kept.at < until and not _signed_by(kept, holder, keys)
    ]


def _signed_by(kept: KeptReceipt, holder: str, keys: KeyHistory) -> bool:
    counted = keys.signing_keys_at(kept.at)
    evidence = decode(evidence_pb2.SignedStatement, kept.evidence)
    try:
        check_signed_by(Domain.RECEIPT, evidence, holder, *counted)
    except EvidenceInvalidError:
        return False
    return True


def _of_question(question: LoggedQuestion, own: OwnRecord) -> Iterator[Gap]:
    digest = question.query_digest
    receipts = own.receipts.get(digest, [])
    silence = {"outcome_here": own.silences[digest]} if digest in own.silences else {}
    if digest not in own.asked and not receipts:
        yield _gap(GapKind.ENTRY_WITHOUT_QUESTION, question)
    elif question.ended is None:
        if receipts:
            yield _gap(GapKind.RECEIPT_WITHOUT_ENTRY, question)
        elif question.decided.kind == AuditKind.DECIDED:
            yield _gap(GapKind.ENTRY_WITHOUT_END, question, silence)
    elif not receipts:
        yield _gap(GapKind.ENTRY_WITHOUT_RECEIPT, question, silence)
    else:
        for kept in receipts:
            yield from _of_receipt(question, question.ended, kept.receipt)


def _of_receipt(
    question: LoggedQuestion, ended: LoggedEntry, receipt: answer_pb2.Receipt
) -> Iterator[Gap]:
    if (receipt.log_index, receipt.log_entry_digest) != (ended.index, ended.leaf):
        yield _gap(GapKind.OTHER_ENTRY, question, {"receipt_log_index": receipt.log_index})
        return
    try:
        said = ended.read().said
    except EvidenceInvalidError:
        yield _gap(GapKind.NOT_PROVED, question)
        return
    logged = {
        "rows": said.get("rows"),
        "frames_digest": said.get("frames_digest"),
        "outcome": _OUTCOME_OF_ENDING.get(str(said.get("ending"))),
    }
    signed_for = {
        "rows": receipt.row_count,
        "frames_digest": receipt.frames_digest.hex(),
        "outcome": receipt.outcome,
    }
    different = sorted(name for name, value in logged.items() if value != signed_for[name])
    if different:
        yield _gap(GapKind.OTHER_CONTENT, question, {"different": ",".join(different)})


def _gap(kind: GapKind, question: LoggedQuestion, more: Mapping[str, Any] | None = None) -> Gap:
    entry = question.ended or question.decided
    said = {"log_index": entry.index, **(more or {})}
    return Gap(kind, question.query_digest.hex(), question.decided.at, said)


def _stands(entry: LoggedEntry, question: LoggedQuestion, state: Checkpoint) -> bool:
    """Whether an entry is in the tree, at its place, and about this question."""
    try:
        check_inclusion(entry.leaf, entry.index, state.size, entry.path, state.root)
        if entry is question.ended:
            read = entry.read()
            return (
                read.kind == AuditKind.RELEASED
                and read.query_digest == question.query_digest.hex()
                and entry.index > question.decided.index
            )
    except EvidenceInvalidError:
        return False
    return entry.kind in {AuditKind.DECIDED, AuditKind.UNDECIDED}


def _beside_witness(
    account: Account, state: Checkpoint, witnessed: WitnessedNote, path: Sequence[bytes]
) -> list[Gap]:
    """Whether the log is the one that was witnessed; if not, both notes tell on it."""
    if _only_grew(witnessed.checkpoint, state, path):
        return []
    said = {"witnessed_size": witnessed.checkpoint.size, "size": state.size}
    return [Gap(GapKind.OTHER_LOG, said=said, notes=(witnessed.note, account.note))]


def _only_grew(before: Checkpoint, now: Checkpoint, path: Sequence[bytes]) -> bool:
    try:
        check_consistency(before.size, before.root, now.size, now.root, b"".join(path))
    except EvidenceInvalidError:
        return False
    return True
