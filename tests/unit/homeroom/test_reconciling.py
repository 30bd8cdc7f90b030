"""A holder's log held to its receipts: every gap is named, on whichever side, and nothing else."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.api.common.v1 import answer_pb2, evidence_pb2
from homeroom.audit import AuditEntry, AuditKind, encode_content
from homeroom.audit.account_wire import (
    open_account,
    read_request,
    seal_account,
    sign_request,
    write_request,
)
from homeroom.audit.accounts import (
    Account,
    AccountRequest,
    LoggedEntry,
    LoggedQuestion,
)
from homeroom.audit.checkpoint import Checkpoint, sign_checkpoint
from homeroom.audit.reconciling import (
    ACCUSING,
    Gap,
    GapKind,
    OwnRecord,
    OwnRecords,
    WitnessedNote,
    compare,
    proof_gaps,
    unproved,
)
from homeroom.cli.audit_reconcile import GAP_TEXT
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import signed
from homeroom.key_history import KeyHistory, KeyPeriod, KeySet
from homeroom.merkle import EMPTY_ROOT, consistency_path, tree_of
from homeroom.receipts import AskedQuery, Kept, KeptReceipt, SeenCheckpoint, Silence
from homeroom.sealing import SealingKey
from homeroom.signing import Domain, SigningKey
from tests.growing_logs import GrowingLog

HOLDER, ASKER, ORIGIN = "harbor_ps", "initiative", "homeroom/test/harbor_ps/log"
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
EVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)
KEY = SigningKey.generate()
ANSWERED = answer_pb2.OUTCOME_ANSWERED


def query(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


@dataclass
class Log:
    """A holder's log in memory, and what its requester kept."""

    entries: list[AuditEntry] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    def answer(self, number: int, rows: int = 3, **receipt: Any) -> None:
        """One question, answered and kept; what is given changes the receipt."""
        self.ask(number)
        self.decide(number)
        entry = self.end(number, rows)
        self.receive(number, entry, **{"row_count": rows, **receipt})

    def ask(self, number: int) -> None:
        self.kept.append(AskedQuery(query(number), NOW))

    def decide(self, number: int, kind: AuditKind = AuditKind.DECIDED) -> None:
        self._append(kind, number, {"requester": ASKER})

    def end(self, number: int, rows: int) -> AuditEntry:
        said = {"ending": "answered", "rows": rows, "frames_digest": query(-number).hex()}
        return self._append(AuditKind.RELEASED, number, said)

    def receive(self, number: int, entry: AuditEntry, **changed: Any) -> None:
        receipt = answer_pb2.Receipt(
            query_digest=query(number),
            holder=HOLDER,
            requester=ASKER,
            outcome=ANSWERED,
            frames_digest=query(-number),
            log_index=entry.index,
            log_entry_digest=entry.leaf(),
        )
        for name, value in changed.items():
            setattr(receipt, name, value)
        statement = evidence_pb2.SignedStatement(statement=receipt.SerializeToString())
        self.kept.append(KeptReceipt(NOW, HOLDER, statement.SerializeToString()))

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        leaves = [entry.leaf() for entry in self.entries][:size]
        return Checkpoint(ORIGIN, len(leaves), tree_of(leaves)[0] if leaves else EMPTY_ROOT)

    def account(self) -> Account:
        """What an honest holder tells."""
        _, paths = tree_of([entry.leaf() for entry in self.entries])
        ended = {e.query_digest: e for e in self.entries if e.kind == AuditKind.RELEASED}
        questions = []
        for entry in self.entries:
            if entry.kind == AuditKind.RELEASED:
                continue
            end = ended.get(entry.query_digest)
            questions.append(
                LoggedQuestion(
                    bytes.fromhex(entry.query_digest),
                    _logged(entry, paths),
                    _logged(end, paths, end.encode()) if end else None,
                )
            )
        note = sign_checkpoint(self.checkpoint(), ORIGIN, KEY)
        return Account(HOLDER, ASKER, note, (), tuple(questions))

    def gaps(self, account: Account | None = None) -> list[Gap]:
        """What is found between the log and what was kept."""
        told = account or self.account()
        own = OwnRecords(self.kept).of(HOLDER)
        wrong = proof_gaps(told, self.checkpoint(), [])
        return wrong + compare(told.questions, own, EVER, LATER)

    def _append(self, kind: AuditKind, number: int, said: dict[str, Any]) -> AuditEntry:
        at = int(NOW.timestamp())
        entry = AuditEntry(
            len(self.entries), at, kind, query(number).hex(), b"s" * 16, encode_content(said)
        )
        self.entries.append(entry)
        return entry


def _logged(entry: AuditEntry, paths: Sequence[bytes], content: bytes = b"") -> LoggedEntry:
    path = paths[entry.index]
    return LoggedEntry(entry.index, entry.kind, entry.at, entry.leaf(), path, content)


def kinds(gaps: Sequence[Gap]) -> list[GapKind]:
    return [gap.kind for gap in gaps]


@pytest.fixture
def log() -> Log:
    """Three questions that were answered, and one that could not be decided."""
    made = Log()
    for number in (1, 2, 3):
        made.answer(number)
    made.ask(4)
    made.decide(4, AuditKind.UNDECIDED)
    made.kept.append(Silence(query(4), NOW, HOLDER, "CANNOT_DECIDE"))
    return made


def test_an_honest_log_has_no_gap(log: Log) -> None:
    """Answers agree, and a question that could not be decided needs no receipt."""
    assert log.gaps() == []


def test_a_question_that_the_holder_leaves_out_is_found_by_its_receipt(log: Log) -> None:
    told = log.account()

    gaps = log.gaps(replace(told, questions=told.questions[1:]))

    assert kinds(gaps) == [GapKind.RECEIPT_WITHOUT_ENTRY]
    assert gaps[0].query_digest == query(1).hex()


def test_an_answer_whose_receipt_is_not_here_is_named(log: Log) -> None:
    """With what the requester was told in its place."""
    log.kept = [one for one in log.kept if not isinstance(one, KeptReceipt)]
    log.kept.append(Silence(query(2), NOW, HOLDER, "TIMED_OUT"))

    gaps = log.gaps()

    assert kinds(gaps) == [GapKind.ENTRY_WITHOUT_RECEIPT] * 3
    said = {gap.query_digest: gap.said for gap in gaps}
    assert said[query(2).hex()]["outcome_here"] == "TIMED_OUT"


def test_a_question_that_nobody_asked_is_named(log: Log) -> None:
    """Somebody has used this organization's key, or the holder makes it up."""
    log.decide(9)
    log.end(9, 100)

    assert kinds(log.gaps()) == [GapKind.ENTRY_WITHOUT_QUESTION]


def test_a_decision_without_an_end_is_named(log: Log) -> None:
    """Rows may have left before it broke off."""
    log.ask(5)
    log.decide(5)

    assert kinds(log.gaps()) == [GapKind.ENTRY_WITHOUT_END]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"log_index": 77}, GapKind.OTHER_ENTRY),
        ({"log_entry_digest": b"x" * 32}, GapKind.OTHER_ENTRY),
        ({"row_count": 4}, GapKind.OTHER_CONTENT),
        ({"frames_digest": b"x" * 32}, GapKind.OTHER_CONTENT),
        ({"outcome": answer_pb2.OUTCOME_NO_PERMITTED_ANSWER}, GapKind.OTHER_CONTENT),
    ],
)
def test_a_receipt_that_says_other_than_the_log_is_named(
    log: Log, changed: dict[str, Any], kind: GapKind
) -> None:
    log.answer(5, **changed)

    (gap,) = log.gaps()

    assert (gap.kind, gap.query_digest) == (kind, query(5).hex())


def test_two_receipts_of_one_question_cannot_both_be_right(log: Log) -> None:
    """A holder that signs a second, other receipt has an entry for one of them alone."""
    log.receive(1, replace(log.entries[1], index=50), row_count=3)

    assert kinds(log.gaps()) == [GapKind.OTHER_ENTRY]


Lie = Callable[[LoggedQuestion], LoggedQuestion]


def _of_end(change: Callable[[LoggedEntry], LoggedEntry]) -> Lie:
    def lie(question: LoggedQuestion) -> LoggedQuestion:
        assert question.ended is not None
        return replace(question, ended=change(question.ended))

    return lie


LIES: dict[str, Lie] = {
    "another leaf": _of_end(lambda e: replace(e, leaf=b"x" * 32)),
    "another place": _of_end(lambda e: replace(e, index=e.index + 1)),
    "no path": _of_end(lambda e: replace(e, path=b"")),
    "another time": _of_end(lambda e: replace(e, at=e.at + 1)),
    "other bytes": _of_end(lambda e: replace(e, entry=e.entry.replace(b'"rows":3', b'"rows":2'))),
    "no bytes": _of_end(lambda e: replace(e, entry=b"")),
    "another question": lambda q: replace(q, query_digest=query(3)),
    "the decision twice": lambda q: replace(q, ended=q.decided),
    "the end as decision": lambda q: replace(q, decided=q.ended or q.decided),
    "another decision": lambda q: replace(q, decided=replace(q.decided, leaf=b"y" * 32)),
    "another kind": lambda q: replace(q, decided=replace(q.decided, kind="link_undone")),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_the_tree_does_not_hold_is_named(log: Log, lie: str) -> None:
    """Whatever a holder changes in its account of one question, it accuses itself."""
    told = log.account()
    changed = replace(told, questions=(LIES[lie](told.questions[0]), *told.questions[1:]))

    assert GapKind.NOT_PROVED in kinds(log.gaps(changed))


def test_questions_told_twice_or_in_another_order_are_named(log: Log) -> None:
    told = log.account()
    first, *others = told.questions

    for questions in ((first, first, *others), (*others, first)):
        gaps = log.gaps(replace(told, questions=tuple(questions)))
        assert GapKind.NOT_PROVED in kinds(gaps)


@given(st.integers(1, 7), st.integers(0, 7))
def test_a_log_that_was_cut_off_or_forked_is_named(size: int, known: int) -> None:
    """What it showed before has to be the beginning of what it shows now."""
    log = Log()
    for number in range(4):
        log.answer(number)
    before = log.checkpoint(known)
    log.entries = log.entries[:size]
    forged = replace(log.entries[-1], salt=b"t" * 16)
    forked = Log([*log.entries[:-1], forged])
    empty_path = replace(log.account(), growth=(b"",))

    cut_off = proof_gaps(empty_path, log.checkpoint(), [before])
    forked_gaps = proof_gaps(
        replace(forked.account(), growth=(b"",)), forked.checkpoint(), [before]
    )

    if known > size:
        assert GapKind.LOG_REWRITTEN in kinds(cut_off)
    if known >= size:
        assert GapKind.LOG_REWRITTEN in kinds(forked_gaps)
    if known == size:
        assert cut_off == []


@given(st.integers(1, 8), st.integers(0, 8), st.booleans())
def test_a_log_that_is_kept_for_us_alone_is_named_with_both_notes(
    shown: int, witnessed: int, honest: bool
) -> None:
    """What its witness had before we asked has to be the beginning of what we are shown."""
    log = Log()
    for number in range(4):
        log.answer(number)
    before, note = log.checkpoint(witnessed), "witnessed\n"
    log.entries = log.entries[:shown]
    if not honest:
        log.entries[0] = replace(log.entries[0], salt=b"t" * 16)
    leaves = _Leaves([entry.leaf() for entry in log.entries])
    path = consistency_path(leaves, witnessed, shown) if witnessed <= shown else b""
    told = replace(log.account(), growth=(path,))

    gaps = proof_gaps(told, log.checkpoint(), [], WitnessedNote(before, note))

    if witnessed == 0 or (honest and witnessed <= shown):
        assert gaps == []
    else:
        (gap,) = gaps
        assert (gap.kind, gap.notes) == (GapKind.OTHER_LOG, (note, told.note))
        assert gap.said == {"witnessed_size": witnessed, "size": shown}


def test_the_proof_from_the_witness_is_the_one_that_was_asked_for_last(log: Log) -> None:
    """Beside what was kept here; one proof serves not for the other."""
    seen, now = log.checkpoint(2), log.checkpoint()
    leaves = _Leaves([entry.leaf() for entry in log.entries])
    paths = (consistency_path(leaves, 2, now.size), consistency_path(leaves, 3, now.size))
    witnessed = WitnessedNote(log.checkpoint(3), "witnessed\n")

    told = replace(log.account(), growth=paths)
    assert proof_gaps(told, now, [seen], witnessed) == []
    told = replace(log.account(), growth=paths[:1])
    assert kinds(proof_gaps(told, now, [seen], witnessed)) == [GapKind.OTHER_LOG]


class _Leaves(GrowingLog):
    """Leaves as a tree."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        super().__init__("test", HOLDER, KEY, leaves)


def test_only_what_was_asked_about_is_compared(log: Log) -> None:
    """From an instant on, and up to when the log was read."""
    own = OwnRecords(log.kept).of(HOLDER)
    told = log.account().questions

    assert compare((), own, LATER, LATER) == []
    assert compare((), own, EVER, NOW) == []
    assert compare(told, OwnRecords([]).of(HOLDER), LATER, LATER) == []
    assert len(compare((), own, EVER, LATER)) == 3
    assert compare(told, OwnRecords(log.kept[:1]).of("other"), EVER, NOW) != []


def test_another_holders_receipts_are_not_mixed_in(log: Log) -> None:
    """Each holder is held to its own receipts and checkpoints alone."""
    note = sign_checkpoint(log.checkpoint(), ORIGIN, KEY)
    records = OwnRecords([*log.kept, SeenCheckpoint(NOW, HOLDER, note)])

    assert records.of(HOLDER).longest_seen == log.checkpoint()
    assert records.of("mill_river").longest_seen is None
    assert records.of("mill_river").receipts == {}


def test_every_gap_has_words_and_most_accuse_the_holder() -> None:
    """What a lost connection or a theft explains is no accusation."""
    assert GAP_TEXT.keys() == set(GapKind)
    assert set(GapKind) - ACCUSING == {
        GapKind.ENTRY_WITHOUT_RECEIPT,
        GapKind.ENTRY_WITHOUT_END,
        GapKind.RECEIPT_UNPROVED,
    }


def receipts_of(key: SigningKey, *hours: int) -> OwnRecord:
    """Receipts that came so many hours from now, each signed with one key."""
    kept: list[Kept] = []
    for number, hour in enumerate(hours):
        statement = answer_pb2.Receipt(query_digest=query(number)).SerializeToString()
        evidence = signed(Domain.RECEIPT, statement, HOLDER, key).SerializeToString()
        kept.append(KeptReceipt(NOW + dt.timedelta(hours=hour), HOLDER, evidence))
    return OwnRecords(kept).of(HOLDER)


def test_a_receipt_that_came_after_a_theft_of_its_key_is_named_once_that_is_known() -> None:
    """The thief may have made it; one that came before the theft proves what it proved."""
    own, key = receipts_of(KEY, -2, -1, 0, 1), KeySet(KEY.public, KEY.public)
    until = NOW + dt.timedelta(days=1)
    unknown = KeyHistory((KeyPeriod(key),))
    assert unproved(own, HOLDER, unknown, EVER, until) == []
    stolen = KeyHistory((KeyPeriod(key, compromised_since=NOW),))
    gaps = unproved(own, HOLDER, stolen, EVER, until)
    assert [gap.query_digest for gap in gaps] == sorted(query(n).hex() for n in (2, 3))
    assert set(kinds(gaps)) == {GapKind.RECEIPT_UNPROVED}
    assert unproved(own, HOLDER, stolen, EVER, NOW) == []


def test_a_receipt_that_another_has_signed_or_that_was_changed_is_named() -> None:
    """The files are ours, and so is the key by which they are read again."""
    keys = KeyHistory((KeyPeriod(KeySet(KEY.public, KEY.public)),))
    own = receipts_of(SigningKey.generate(), -1)
    assert kinds(unproved(own, HOLDER, keys, EVER, NOW)) == [GapKind.RECEIPT_UNPROVED]
    assert kinds(unproved(receipts_of(KEY, -1), "other_ps", keys, EVER, NOW)) == [
        GapKind.RECEIPT_UNPROVED
    ]


# On the way.


def asked(**changed: Any) -> AccountRequest:
    request = AccountRequest(ASKER, HOLDER, NOW, since=5, from_index=7, known_sizes=(3, 4))
    return replace(request, **changed)


def test_an_account_opens_for_whoever_asked_and_for_this_request_alone(log: Log) -> None:
    """Not for another, not for another request, and not as another holder's."""
    holder, requester, stranger = (
        SigningKey.generate(),
        SealingKey.generate(),
        SealingKey.generate(),
    )
    request, other = write_request(asked(), b"n" * 16), write_request(asked(), b"m" * 16)
    sealed = seal_account(log.account(), request, holder, requester.public)

    assert open_account(sealed, request, [holder.public], requester) == log.account()
    for wrong in (
        (sealed, request, [holder.public], stranger),
        (sealed, other, [holder.public], requester),
        (sealed, request, [SigningKey.generate().public], requester),
        (sealed, request, [], requester),
        (b"", request, [holder.public], requester),
    ):
        with pytest.raises(EvidenceInvalidError):
            open_account(*wrong)
    assert json.dumps(log.entries[0].query_digest).encode() not in sealed


def test_an_account_of_another_holder_is_refused_even_if_it_is_signed(log: Log) -> None:
    holder, requester = SigningKey.generate(), SealingKey.generate()
    request = write_request(asked(), b"n" * 16)
    told = replace(log.account(), requester="someone_else")
    sealed = seal_account(told, request, holder, requester.public)

    with pytest.raises(EvidenceInvalidError):
        open_account(sealed, request, [holder.public], requester)


def test_a_request_says_what_it_was_made_of() -> None:
    assert read_request(write_request(asked(), b"n" * 16)) == asked()
    assert read_request(write_request(asked(since=0), b"n" * 16)) == asked(since=0)
    signed = sign_request(asked(), b"n" * 16, SigningKey.generate())
    assert read_request(signed.statement) == asked()


@pytest.mark.parametrize(
    "statement",
    [
        b"\xff",
        b"",
        write_request(asked(), b"n"),
        write_request(asked(known_sizes=tuple(range(9))), b"n" * 16),
    ],
)
def test_a_malformed_request_is_refused(statement: bytes) -> None:
    with pytest.raises(EvidenceInvalidError):
        read_request(statement)
