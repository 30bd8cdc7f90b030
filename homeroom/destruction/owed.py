"""What a recipient still has to destroy: counted from its own receipts, asking no holder."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from homeroom.api.common.v1 import answer_pb2
from homeroom.destruction.certificate import KEPT_FOR_GOOD
from homeroom.destruction.due import (
    DestructionTerms,
    Due,
    Received,
    due_of_answer,
    due_of_consent,
    terms_of_answer,
)
from homeroom.federation import FederationState
from homeroom.question import Level
from homeroom.receipts import AskedQuery, DamagedLine, Kept, KeptReceipt, SentCertificate
from homeroom.vocabulary import Basis


@dataclass(frozen=True, slots=True)
class RevokedConsent:
    """A consent that names this recipient and was revoked.

    Attributes:
        agreement_id: empty where it counts for each agreement.
        purposes: empty where they cannot be read here.
        from_day: the first day it counted; None where that cannot be read.
    """

    consent_id: str
    holder: str
    revoked_at: dt.datetime
    agreement_id: str = ""
    purposes: tuple[str, ...] = ()
    from_day: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """One answer, or what one consent let it tell, that is to be destroyed.

    Attributes:
        log_index, entry_digest: the entry of the holder's log that its receipt names.
        consent_id: the consent that was revoked; empty for the whole answer. Which consents an
            answer rests on its recipient is not told: this one may be among them.
        kept_because: why it was certified as kept for now; empty if it was not.
    """

    holder: str
    agreement_id: str
    query_digest: bytes
    log_index: int
    entry_digest: bytes
    received_on: dt.date
    rows: int
    due: Due
    consent_id: str = ""
    kept_because: str = ""

    def overdue(self, today: dt.date) -> bool:
        """Whether it should have been destroyed before today."""
        return not self.kept_because and self.due.day < today


@dataclass(frozen=True, slots=True)
class OwedList:
    """Everything that is owed, the most pressing first, and which lines cannot be read."""

    owed: tuple[Owed, ...]
    damaged: tuple[DamagedLine, ...] = ()

    def overdue(self, today: dt.date) -> Sequence[Owed]:
        """What should have been destroyed before today."""
        return [one for one in self.owed if one.overdue(today)]


@dataclass(slots=True)
class _Files:
    """The recipient's own files, read once."""

    asked: dict[bytes, AskedQuery] = field(default_factory=dict)
    receipts: dict[tuple[str, bytes], KeptReceipt] = field(default_factory=dict)
    damaged: list[DamagedLine] = field(default_factory=list)
    settled: set[tuple[str, bytes, str]] = field(default_factory=set)
    kept_because: dict[tuple[str, bytes, str], str] = field(default_factory=dict)

    def take(self, one: Kept) -> None:
        match one:
            case AskedQuery():
                self.asked[one.query_digest] = one
            case KeptReceipt():
                self.receipts[one.holder, one.receipt.query_digest] = one
            case SentCertificate():
                self._take_certificate(one)
            case DamagedLine():
                self.damaged.append(one)

    def _take_certificate(self, sent: SentCertificate) -> None:
        for answer in sent.certificate.answers:
            named = (sent.holder, answer.query_digest, answer.consent_id)
            if answer.kept_because in {"", *KEPT_FOR_GOOD}:
                self.settled.add(named)
            else:
                self.kept_because[named] = answer.kept_because

    def left(self, owed: Owed) -> Owed | None:
        """What is still owed of it, once it was certified."""
        whole = (owed.holder, owed.query_digest, "")
        part = (owed.holder, owed.query_digest, owed.consent_id)
        if self.settled & {whole, part}:
            return None
        because = self.kept_because.get(part) or self.kept_because.get(whole, "")
        return replace(owed, kept_because=because)


def owed_of(
    kept: Iterable[Kept], state: FederationState, recipient: str, revoked: Iterable[RevokedConsent]
) -> OwedList:
    """What a recipient has to destroy, as far as its files know.

    Args:
        kept: its receipts, and what it asked.
        state: the agreements, as they are now.
        recipient: the organization whose files these are.
        revoked: the consents that name it and were revoked.
    """
    files = _Files()
    for one in kept:
        files.take(one)
    by_holder: dict[str, list[RevokedConsent]] = {}
    for consent in revoked:
        by_holder.setdefault(consent.holder, []).append(consent)
    terms = _TermsOf(state)
    found = [
        left
        for (holder, _), one in files.receipts.items()
        if holder != recipient
        for owed in _of_receipt(one, files.asked, by_holder.get(holder, ()), terms)
        if (left := files.left(owed)) is not None
    ]
    found.sort(key=lambda one: (one.due.day, one.holder, one.log_index, one.consent_id))
    return OwedList(tuple(found), tuple(files.damaged))


class _TermsOf:
    """The terms of one agreement after another; a document is read once."""

    def __init__(self, state: FederationState) -> None:
        self._state = state
        self._known: dict[tuple[str, str, int], Sequence[DestructionTerms]] = {}

    def __call__(self, received: Received) -> Sequence[DestructionTerms]:
        key = (received.holder, received.agreement_id, received.agreement_version)
        if key not in self._known:
            agreement = self._state.known.get(received.agreement_id)
            self._known[key] = terms_of_answer(received, agreement)
        return self._known[key]


def _of_receipt(
    kept: KeptReceipt,
    asked_by: Mapping[bytes, AskedQuery],
    revoked: Iterable[RevokedConsent],
    terms_of: _TermsOf,
) -> Iterator[Owed]:
    receipt = kept.receipt
    # A receipt whose question was lost says nothing of its agreement: then the earliest day counts.
    asked = asked_by.get(receipt.query_digest, AskedQuery(receipt.query_digest, kept.at))
    if not receipt.row_count or asked.level not in {"", Level.STUDENT}:
        return
    received = _received(kept, asked)
    terms = terms_of(received)
    whole = due_of_answer(received, terms)
    if whole is None:
        return
    yield _owed(receipt, received, whole)
    for consent in revoked:
        if _may_rest_on(asked, receipt, consent):
            revoked_on = consent.revoked_at.astimezone(dt.UTC).date()
            due = due_of_consent(received, whole, terms, revoked_on)
            if due != whole:
                yield _owed(receipt, received, due, consent.consent_id)


def _received(kept: KeptReceipt, asked: AskedQuery) -> Received:
    receipt = kept.receipt
    return Received(
        holder=receipt.holder,
        recipient=receipt.requester,
        agreement_id=asked.agreement_id,
        agreement_version=receipt.agreement_version,
        basis=asked.basis,
        on=receipt.answer_time.ToDatetime(dt.UTC).date(),
    )


def _owed(receipt: answer_pb2.Receipt, received: Received, due: Due, consent_id: str = "") -> Owed:
    return Owed(
        holder=received.holder,
        agreement_id=received.agreement_id,
        query_digest=receipt.query_digest,
        log_index=receipt.log_index,
        entry_digest=receipt.log_entry_digest,
        received_on=received.on,
        rows=receipt.row_count,
        due=due,
        consent_id=consent_id,
    )


def _may_rest_on(asked: AskedQuery, receipt: answer_pb2.Receipt, consent: RevokedConsent) -> bool:
    """Whether a consent may have let a part of an answer leave."""
    answered = receipt.answer_time.ToDatetime(dt.UTC)
    begun = consent.from_day is None or consent.from_day <= answered.date()
    return (
        asked.basis in {"", Basis.CONSENT}
        and begun
        and answered <= consent.revoked_at
        and consent.agreement_id in {"", asked.agreement_id}
        and (not asked.purpose or not consent.purposes or asked.purpose in consent.purposes)
    )
